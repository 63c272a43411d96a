import ArgumentParser
import EventLog
import Foundation

/// The data directory, and how it is opened.
struct StoreOptions: ParsableArguments {
  @Option(name: [.customShort("d"), .long], help: "The data directory.")
  var dir: String

  /// As the owner, to change something.
  func open(autoCreateTopics: Bool = false) throws -> Broker {
    var configuration = Self.brokerConfiguration
    configuration.autoCreateTopics = autoCreateTopics
    return try Broker.open(dir, configuration)
  }

  /// As the owner, to change what is there: no store is made of a directory that is missing, or mistyped.
  func openExisting() throws -> Broker {
    guard FileManager.default.fileExists(atPath: dir) else {
      throw EventLogError(.inputOutput, "there is no such directory", file: dir)
    }
    guard FileManager.default.fileExists(atPath: dir + "/metadata.sqlite") else {
      throw EventLogError(.metadataError, "this is no data directory: it has no metadata.sqlite", file: dir)
    }
    return try open()
  }

  /// To look into it, also while its owner is at work.
  func openReadOnly() throws -> Broker {
    try Broker.openReadOnly(dir, Self.brokerConfiguration)
  }

  static var brokerConfiguration: BrokerConfiguration {
    var configuration = BrokerConfiguration()
    configuration.warningHandler = { Terminal.error("warning: \($0)") }
    return configuration
  }
}
