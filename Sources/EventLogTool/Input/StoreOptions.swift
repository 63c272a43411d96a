import ArgumentParser
import EventLog

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
