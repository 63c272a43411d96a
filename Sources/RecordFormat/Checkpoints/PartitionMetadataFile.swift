/// `partition.metadata`: names the topic that a partition directory belongs to, by its id (KIP-516).
package struct PartitionMetadataFile: Sendable, Equatable {
  package static let name = "partition.metadata"
  /// The topic's id as Kafka writes it: 22 characters of URL-safe base64.
  package var topicID: String

  package init(topicID: String) {
    self.topicID = topicID
  }

  /// Reads the text of the file.
  ///
  /// - Throws: `unsupportedVersion` for another version than 0, `corruptMessage` for what is no such file.
  package init(text: String) throws(EventLogError) {
    var version: String?
    var id: String?
    for line in text.split(whereSeparator: \.isNewline) {
      let parts = line.split(separator: ":", maxSplits: 1)
      guard parts.count == 2 else { continue }
      let value = parts[1].drop { $0 == " " }
      switch parts[0] {
      case "version": version = String(value)
      case "topic_id": id = String(value)
      default: break
      }
    }
    guard let version, let id, !id.isEmpty else {
      throw EventLogError(.corruptMessage, "the file lacks `version` or `topic_id`", file: Self.name)
    }
    guard version == "0" else {
      throw EventLogError(.unsupportedVersion, "version \(version) is not known, only 0 is", file: Self.name)
    }
    topicID = id
  }

  package var text: String { "version: 0\ntopic_id: \(topicID)" }
}
