/// `leader-epoch-checkpoint`: from which offset on each leader epoch wrote (KIP-101).
package struct LeaderEpochCheckpoint: Sendable, Equatable {
  package static let name = "leader-epoch-checkpoint"

  package struct Entry: Sendable, Equatable {
    package var epoch: Int32
    package var startOffset: Int64

    package init(epoch: Int32, startOffset: Int64) {
      self.epoch = epoch
      self.startOffset = startOffset
    }
  }

  package var entries: [Entry]

  package init(entries: [Entry] = []) {
    self.entries = entries
  }

  /// Reads the text of the file: the version 0, the number of entries, and a line for each.
  ///
  /// - Throws: `unsupportedVersion` for another version than 0, `corruptMessage` for what is no such file.
  package init(text: String) throws(EventLogError) {
    let lines = text.split(whereSeparator: \.isNewline)
    guard let first = lines.first, let version = Int(first) else {
      throw EventLogError(.corruptMessage, "the file does not begin with a version", file: Self.name)
    }
    guard version == 0 else {
      throw EventLogError(.unsupportedVersion, "version \(version) is not known, only 0 is", file: Self.name)
    }
    guard lines.count >= 2, let count = Int(lines[1]), count == lines.count - 2 else {
      throw EventLogError(.corruptMessage, "the number of entries is not the one that is stated", file: Self.name)
    }
    var entries: [Entry] = []
    for line in lines.dropFirst(2) {
      let parts = line.split(separator: " ")
      guard parts.count == 2, let epoch = Int32(parts[0]), let offset = Int64(parts[1]), epoch >= 0, offset >= 0 else {
        throw EventLogError(.corruptMessage, "an entry is not an epoch and an offset", file: Self.name)
      }
      entries.append(Entry(epoch: epoch, startOffset: offset))
    }
    self.entries = entries
  }

  package var text: String {
    var text = "0\n\(entries.count)\n"
    for entry in entries { text += "\(entry.epoch) \(entry.startOffset)\n" }
    return text
  }

  /// The epoch that the next batch is stamped with.
  package var latestEpoch: Int32 { entries.last?.epoch ?? 0 }

  /// Says that `epoch` writes from `offset` on; an epoch that is known already, or is none (negative), changes nothing.
  package mutating func assign(_ epoch: Int32, from offset: Int64) {
    guard epoch >= 0 else { return }
    if let last = entries.last, last.epoch >= epoch { return }
    entries.removeAll { $0.startOffset >= offset }
    entries.append(Entry(epoch: epoch, startOffset: offset))
  }

  /// Forgets what lies at or after `offset`, which was cut off.
  package mutating func truncateEnd(to offset: Int64) {
    entries.removeAll { $0.startOffset >= offset }
  }
}
