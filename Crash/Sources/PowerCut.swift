import Foundation

/// Takes the power from the file system that a scenario works on: a program that is called twice (`Scripts/power-cut`).
struct PowerCut: Sendable {
  var program: String

  /// Keeps what is on the device at this moment, while the process that works on it stands still.
  func copy() throws { try run("copy") }

  /// Has the file system be what was kept. Nobody uses it any more.
  func restore() throws { try run("restore") }

  private func run(_ step: String) throws {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: program)
    process.arguments = [step]
    try process.run()
    process.waitUntilExit()
    try hold(
      process.terminationStatus == 0, "\(program) \(step)", expected: "the status 0",
      found: "\(process.terminationStatus)")
  }
}
