public import RecordFormat

/// Where a group is to go on reading: the ways of `kafka-consumer-groups --reset-offsets` (KIP-122).
///
/// Where a way leads beyond what a log holds, the group goes on at the log start, or at the log end.
public enum OffsetResetTarget: Sendable, Hashable {
  /// The log start.
  case earliest
  /// The high watermark.
  case latest
  /// The same offset for each partition.
  case offset(Int64)
  /// The first record of this time or later, in milliseconds since 1970; the log end where no record is that young.
  case datetime(Int64)
  /// As `datetime`, so long ago.
  case duration(Duration)
  /// So many offsets on from what is committed, or back. Refused for a partition that has nothing committed.
  case shift(by: Int64)
  /// What is committed, or the log end where nothing is: of use after records were deleted.
  case current
  /// Each partition by itself: what `OffsetResetPlan.offsets(csv:group:)` read, for instance.
  case offsets([TopicPartition: Int64])
}

/// What a reset does, or would do.
public struct OffsetResetPlan: Sendable, Hashable {
  /// What is done to one partition.
  public struct Change: Sendable, Hashable {
    /// The partition.
    public var topicPartition: TopicPartition
    /// What the group had committed; nil where it had committed nothing.
    public var currentOffset: Int64?
    /// Where the group goes on.
    public var newOffset: Int64
    /// What was asked for, where the log does not reach so far; nil where it does.
    public var wantedOffset: Int64?
  }

  /// The changes, by topic and partition.
  public var changes: [Change]
  /// Whether the offsets were committed, and not only worked out.
  public var isExecuted: Bool

  /// The new offsets, as `OffsetResetTarget.offsets` takes them.
  public var offsets: [TopicPartition: Int64] {
    Dictionary(changes.map { ($0.topicPartition, $0.newOffset) }) { $1 }
  }

  /// The plan as `kafka-consumer-groups --reset-offsets --export` prints it: a line `topic,partition,offset` for each
  /// partition.
  public var csv: String {
    changes.map { "\($0.topicPartition.topic),\($0.topicPartition.partition),\($0.newOffset)\n" }.joined()
  }

  /// Reads what `csv` and Kafka's tool write: lines of topic, partition and offset, or of group, topic, partition and
  /// offset, with or without quotation marks. Empty lines are passed over.
  ///
  /// - Parameter group: where lines name a group, those of other groups are left out.
  /// - Returns: the offsets, for `OffsetResetTarget.offsets`.
  /// - Throws: `illegalArgument` with the number of the first line that is not right.
  public static func offsets(csv: String, group: String) throws -> [TopicPartition: Int64] {
    var offsets: [TopicPartition: Int64] = [:]
    for (index, line) in csv.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).enumerated() {
      var fields = line.split(separator: ",", omittingEmptySubsequences: false).map { unquoted(String($0)) }
      if fields == [""] { continue }
      let owner = fields.count == 4 ? fields.removeFirst() : nil
      guard fields.count == 3, let partition = Int(fields[1]), partition >= 0, let offset = Int64(fields[2]) else {
        throw EventLogError(
          .illegalArgument, "line \(index + 1) is not topic,partition,offset, nor group,topic,partition,offset")
      }
      if let owner, owner != group { continue }
      guard offsets.updateValue(offset, forKey: TopicPartition(fields[0], partition)) == nil else {
        throw EventLogError(
          .illegalArgument, "line \(index + 1) names a partition for the second time", topic: fields[0],
          partition: partition)
      }
    }
    return offsets
  }

  private static func unquoted(_ field: String) -> String {
    let text = field.trimmingSpaces
    return text.count >= 2 && text.hasPrefix("\"") && text.hasSuffix("\"") ? String(text.dropFirst().dropLast()) : text
  }
}
