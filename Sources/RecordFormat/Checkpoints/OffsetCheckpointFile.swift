/// Kafka's text file of an offset for each partition, such as `cleaner-offset-checkpoint`: the version 0, the number of
/// entries, and a line for each.
package struct OffsetCheckpointFile: Sendable, Equatable {
  /// Up to where each compacted partition was cleaned.
  package static let cleanerName = "cleaner-offset-checkpoint"

  package var offsets: [TopicPartition: Int64]

  package init(offsets: [TopicPartition: Int64] = [:]) {
    self.offsets = offsets
  }

  /// - Throws: `unsupportedVersion` for another version than 0, `corruptMessage` for what is no such file.
  package init(text: String, name: String) throws(EventLogError) {
    let lines = text.split(whereSeparator: \.isNewline)
    guard let first = lines.first, let version = Int(first) else {
      throw EventLogError(.corruptMessage, "the file does not begin with a version", file: name)
    }
    guard version == 0 else {
      throw EventLogError(.unsupportedVersion, "version \(version) is not known, only 0 is", file: name)
    }
    guard lines.count >= 2, let count = Int(lines[1]), count == lines.count - 2 else {
      throw EventLogError(.corruptMessage, "the number of entries is not the one that is stated", file: name)
    }
    offsets = [:]
    for line in lines.dropFirst(2) {
      let parts = line.split(separator: " ")
      guard parts.count == 3, let partition = Int(parts[1]), let offset = Int64(parts[2]), partition >= 0, offset >= 0
      else { throw EventLogError(.corruptMessage, "an entry is not a topic, a partition and an offset", file: name) }
      offsets[TopicPartition(String(parts[0]), partition)] = offset
    }
  }

  package var text: String {
    var text = "0\n\(offsets.count)\n"
    for partition in offsets.keys.sorted() {
      text += "\(partition.topic) \(partition.partition) \(offsets[partition] ?? 0)\n"
    }
    return text
  }
}
