import Foundation

/// Runs the tool as a user does: as a process of its own.
enum Tool {
  static let executable = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()
    .appendingPathComponent("eventlog")

  struct Result {
    var status: Int32
    var output: Data
    var error: String
    var text: String { String(decoding: output, as: UTF8.self) }
    var lines: [String] { text.split(separator: "\n").map(String.init) }
    /// The lines on standard error but for warnings: an error is one.
    var errors: [String] { error.split(separator: "\n").map(String.init).filter { !$0.hasPrefix("warning: ") } }
  }

  static func start(_ arguments: [String], input: URL? = nil) throws -> (Process, output: Pipe, error: Pipe) {
    try start(executable, arguments, input: input.map { try FileHandle(forReadingFrom: $0) } ?? .nullDevice)
  }

  /// A tool that reads what `input` is written to, for as long as that is open.
  static func start(_ arguments: [String], input: Pipe) throws -> (Process, output: Pipe, error: Pipe) {
    try start(executable, arguments, input: input.fileHandleForReading)
  }

  private static func start(
    _ executable: URL, _ arguments: [String], input: FileHandle
  ) throws -> (Process, output: Pipe, error: Pipe) {
    let process = Process()
    process.executableURL = executable
    process.arguments = arguments
    // Under the address sanitizer: see LeakSanitizer.swift.
    process.environment = ProcessInfo.processInfo.environment.merging(["ASAN_OPTIONS": "detect_leaks=0"]) { $1 }
    let output = Pipe()
    let error = Pipe()
    process.standardOutput = output
    process.standardError = error
    process.standardInput = input
    try process.run()
    return (process, output, error)
  }

  static func run(_ arguments: String..., input: Data? = nil) throws -> Result {
    var file: URL?
    if let input {
      let url = FileManager.default.temporaryDirectory.appendingPathComponent("eventlog-input-\(UUID().uuidString)")
      try input.write(to: url)
      file = url
    }
    defer { if let file { try? FileManager.default.removeItem(at: file) } }
    return result(try start(arguments, input: file))
  }

  /// What bash makes of `script`, in which `$0` is the tool and `$1` is `argument`.
  static func shell(_ script: String, _ argument: String) throws -> Result {
    result(try start(URL(fileURLWithPath: "/bin/bash"), ["-c", script, executable.path, argument], input: .nullDevice))
  }

  /// Waits for the end of a process, and collects what is left of its output.
  static func result(_ started: (process: Process, output: Pipe, error: Pipe)) -> Result {
    let bytes = started.output.fileHandleForReading.readDataToEndOfFile()
    let message = String(decoding: started.error.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    started.process.waitUntilExit()
    return Result(status: started.process.terminationStatus, output: bytes, error: message)
  }
}

/// A directory of a test's own, removed when the last reference goes.
final class TemporaryDirectory: Sendable {
  let path = FileManager.default.temporaryDirectory.appendingPathComponent("eventlog-\(UUID().uuidString)").path

  init() throws { try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true) }
  deinit { try? FileManager.default.removeItem(atPath: path) }
}

/// A store with a topic `t`, for tests that look at one command.
struct Store {
  private let directory: TemporaryDirectory
  let path: String

  init(partitions: Int = 1, _ configs: String...) throws {
    directory = try TemporaryDirectory()
    path = directory.path + "/store"
    let options = configs.flatMap { ["--config", $0] }
    let created = try Tool.result(
      Tool.start(["topics", "create", "--dir", path, "--topic", "t", "--partitions", String(partitions)] + options))
    guard created.status == 0 else { throw Failure(description: created.error) }
  }

  struct Failure: Error, CustomStringConvertible {
    var description: String
  }

  func produce(_ text: String, _ options: String...) throws -> Tool.Result {
    let input = directory.path + "/input-\(UUID().uuidString)"
    try Data(text.utf8).write(to: URL(fileURLWithPath: input))
    return try Tool.result(
      Tool.start(["produce", "--dir", path, "--topic", "t"] + options, input: URL(fileURLWithPath: input)))
  }

  func consume(_ options: String...) throws -> Tool.Result {
    try Tool.result(Tool.start(["consume", "--dir", path, "--topic", "t"] + options))
  }

  /// Turns a bit around.
  func damage(_ file: String, at position: Int) throws {
    let url = URL(fileURLWithPath: path + "/" + file)
    var bytes = try Data(contentsOf: url)
    bytes[position] ^= 1
    try bytes.write(to: url)
  }
}
