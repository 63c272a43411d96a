internal import MetadataStore
internal import RecordFormat

/// What a group committed and the log then lost. Left as it is, the next records written at those offsets would never be
/// read.
struct OffsetBeyondEnd {
  var group: String
  var partition: PartitionID
  var topicPartition: TopicPartition
  var offset: CommittedOffset
  /// Where the log ends.
  var end: Int64

  var lowered: CommittedOffset {
    var lowered = offset
    lowered.offset = end
    return lowered
  }

  var message: String {
    "group \(group) has committed \(offset.offset) for \(topicPartition), whose log ends at \(end)"
  }

  static func find(
    _ committed: [String: [PartitionID: CommittedOffset]], _ ends: [PartitionID: (TopicPartition, Int64)]
  ) -> [Self] {
    var found: [Self] = []
    for (group, offsets) in committed {
      for (partition, offset) in offsets {
        guard let (topicPartition, end) = ends[partition], offset.offset > end else { continue }
        found.append(
          Self(group: group, partition: partition, topicPartition: topicPartition, offset: offset, end: end))
      }
    }
    return found.sorted { ($0.group, $0.topicPartition) < ($1.group, $1.topicPartition) }
  }

  /// Has the group go on at the log's end.
  func bringBack(_ metadata: MetadataStore) throws(EventLogError) {
    try metadata.commit([(group, [partition: lowered])])
  }
}
