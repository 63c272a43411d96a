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
  }

  static func start(_ arguments: [String], input: URL? = nil) throws -> (Process, output: Pipe, error: Pipe) {
    let process = Process()
    process.executableURL = executable
    process.arguments = arguments
    let output = Pipe()
    let error = Pipe()
    process.standardOutput = output
    process.standardError = error
    process.standardInput = try input.map { try FileHandle(forReadingFrom: $0) } ?? FileHandle.nullDevice
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
    let (process, output, error) = try start(arguments, input: file)
    let bytes = output.fileHandleForReading.readDataToEndOfFile()
    let message = String(decoding: error.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    return Result(status: process.terminationStatus, output: bytes, error: message)
  }
}

/// A directory of a test's own, removed when the last reference goes.
final class TemporaryDirectory: Sendable {
  let path = FileManager.default.temporaryDirectory.appendingPathComponent("eventlog-\(UUID().uuidString)").path

  init() throws { try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true) }
  deinit { try? FileManager.default.removeItem(atPath: path) }
}
