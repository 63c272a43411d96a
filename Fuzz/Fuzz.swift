import Foundation

/// What a fuzzer does with the bytes it is given. Whatever they are, it returns: an error is a value, and a trap is a
/// finding.
protocol FuzzTarget: SendableMetatype {
  static func run(_ bytes: UnsafeRawBufferPointer)
}

/// The fuzzer that `EVENTLOG_FUZZ` names: all are in one program, so that one build serves them.
private let target: any FuzzTarget.Type = {
  switch ProcessInfo.processInfo.environment["EVENTLOG_FUZZ"] {
  case "batch": BatchTarget.self
  case "codec": CodecTarget.self
  case "index": IndexTarget.self
  case "log": LogTarget.self
  case let name:
    preconditionFailure("EVENTLOG_FUZZ is to be batch, codec, index or log, not \(name ?? "missing")")
  }
}()

@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  target.run(UnsafeRawBufferPointer(start: start, count: count))
  return 0
}
