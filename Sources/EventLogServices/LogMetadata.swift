public import EventLog
public import Logging

extension Logger.Metadata {
  static func of(_ topicPartition: TopicPartition, offset: Int64? = nil) -> Logger.Metadata {
    var metadata: Logger.Metadata = [
      "eventlog.topic": "\(topicPartition.topic)", "eventlog.partition": "\(topicPartition.partition)",
    ]
    if let offset { metadata["eventlog.offset"] = "\(offset)" }
    return metadata
  }

  /// Of EventLog's errors everything, since they never hold record data; of others the type alone, since they may.
  static func of(_ error: any Error) -> Logger.Metadata {
    guard let error = error as? EventLogError else { return ["error.type": "\(errorType(error))"] }
    var metadata: Logger.Metadata = ["error.type": "\(error.code.name)", "error.message": "\(error.message)"]
    if let topic = error.topic { metadata["eventlog.topic"] = "\(topic)" }
    if let partition = error.partition { metadata["eventlog.partition"] = "\(partition)" }
    if let offset = error.offset { metadata["eventlog.offset"] = "\(offset)" }
    if let file = error.file { metadata["file.path"] = "\(file)" }
    return metadata
  }
}

/// Kafka's name of the error, or the type of one that is not EventLog's: what OpenTelemetry calls `error.type`.
func errorType(_ error: any Error) -> String {
  (error as? EventLogError)?.code.name ?? String(reflecting: type(of: error))
}

extension Logger {
  func with(_ metadata: Logger.Metadata) -> Logger {
    var copy = self
    for (key, value) in metadata { copy[metadataKey: key] = value }
    return copy
  }
}

extension BrokerConfiguration {
  /// Has the broker's warnings (a torn tail that was cut, a failed automatic commit, …) go to this logger.
  public mutating func logWarnings(to logger: Logger) {
    warningHandler = { logger.warning("The broker warns", metadata: .of($0)) }
  }
}
