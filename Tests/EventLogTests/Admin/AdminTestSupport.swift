import EventLog
import Foundation
import Testing

/// The code of the error that `body` throws; nil where it throws none.
func errorCode(_ body: () throws -> Void) -> EventLogError.Code? {
  do {
    try body()
    return nil
  } catch { return (error as? EventLogError)?.code }
}

/// The code of a result that failed; nil where it succeeded.
func errorCode<Value>(_ result: Result<Value, EventLogError>?) -> EventLogError.Code? {
  if case .failure(let error) = result { error.code } else { nil }
}

/// A broker of a test's own, whose warnings are kept.
final class AdminFixture {
  let directory: TemporaryDirectory
  let warnings = Warnings()
  private(set) var broker: Broker

  init(_ configure: (inout BrokerConfiguration) -> Void = { _ in }) throws {
    directory = try TemporaryDirectory()
    var configuration = BrokerConfiguration()
    configuration.warningHandler = { [warnings] in warnings.add($0) }
    // Records of 1970 are not to go because a test takes longer than half a minute.
    configuration.initialTaskDelay = .seconds(86_400)
    configure(&configuration)
    self.configuration = configuration
    broker = try Broker.open(directory("store"), configuration)
  }

  private let configuration: BrokerConfiguration
  var admin: Admin { broker.admin }

  func reopen() throws {
    try broker.close()
    broker = try Broker.open(directory("store"), configuration)
  }

  func openReadOnly() throws -> Broker { try Broker.openReadOnly(directory("store"), configuration) }

  /// What a killed process leaves: the files as they are now, opened again.
  func openCopy() throws -> Broker {
    let copy = directory("copy-\(UUID().uuidString)")
    try FileManager.default.copyItem(atPath: directory("store"), toPath: copy)
    return try Broker.open(copy, configuration)
  }

  deinit { try? broker.close() }
}
