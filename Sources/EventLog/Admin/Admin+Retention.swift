public import RecordFormat
internal import SegmentStore

/// A segment that retention deletes, and why.
public struct DeletableSegment: Sendable, Hashable {
  /// The rule by which it goes.
  public enum Reason: String, Sendable, Hashable, CaseIterable {
    /// Its youngest record is older than `retention.ms`.
    case retentionMs = "retention.ms"
    /// The partition has `retention.bytes` without it.
    case retentionBytes = "retention.bytes"
    /// It lies below the log start, which `deleteRecords` moved.
    case logStartOffset = "log-start-offset"
  }

  /// The segment's first offset, which its files are named by.
  public var baseOffset: Int64
  /// The offset that follows its last: where the log begins without it.
  public var endOffset: Int64
  /// Bytes of its batches.
  public var sizeInBytes: Int64
  /// The largest timestamp of its records, in milliseconds since 1970; the time when the file was last written where no
  /// record has one, and nil where it did not matter.
  public var largestTimestamp: Int64?
  public var reason: Reason
  /// Whether it is still appended to. It is rolled first, and an empty segment goes on at its end.
  public var isActive: Bool
}

extension Admin {
  /// What retention would delete now: `retention.ms`, `retention.bytes`, and what lies below the log start. Nothing is
  /// changed; also for a broker that was opened read-only.
  ///
  /// - Parameter topics: nil for all.
  /// - Throws: `unknownTopicOrPartition`.
  public func describeRetention(
    _ topics: [String]? = nil
  ) throws -> [TopicPartition: Result<[DeletableSegment], EventLogError>] {
    try broker.requireOpen()
    let now = broker.context.time.wallMilliseconds()
    var results: [TopicPartition: Result<[DeletableSegment], EventLogError>] = [:]
    for topic in try resolve(topics) {
      let configuration = TopicConfigs.logConfiguration(topic.configs, defaults: broker.configuration.topicDefaults)
      for (number, partition) in topic.allPartitions().enumerated() {
        let topicPartition = TopicPartition(topic.name, number)
        do throws(EventLogError) {
          let expired: [ExpiredSegment]
          switch partition {
          case .log(let log): expired = try log.expiredSegments(now: now)
          case .reader(let reader): expired = try reader.expiredSegments(configuration, now: now)
          case .offline(_, let error): throw error
          }
          results[topicPartition] = .success(expired.map(DeletableSegment.init))
        } catch {
          results[topicPartition] = .failure(error.at(topicPartition))
        }
      }
    }
    return results
  }

  /// Runs retention now, and not at its next turn (`log.retention.check.interval.ms`).
  ///
  /// - Parameter topics: nil for all.
  /// - Returns: what was deleted, or why it could not be, for each partition.
  /// - Throws: `unknownTopicOrPartition`, `readOnly`.
  @discardableResult
  public func applyRetention(
    _ topics: [String]? = nil
  ) throws -> [TopicPartition: Result<[DeletableSegment], EventLogError>] {
    try requireWritable()
    let chosen = try resolve(topics)
    var results = broker.applyRetention(to: chosen).mapValues { $0.map { $0.map(DeletableSegment.init) } }
    for topic in chosen {
      for case .offline(let partition, let error) in topic.allPartitions() { results[partition] = .failure(error) }
    }
    return results
  }

  private func resolve(_ topics: [String]?) throws(EventLogError) -> [Topic] {
    guard let topics else { return broker.topicTable.all() }
    var found: [Topic] = []
    for name in topics { found.append(try broker.topic(name)) }
    return found
  }
}

extension DeletableSegment {
  init(_ segment: ExpiredSegment) {
    let reason: Reason =
      switch segment.reason {
      case .time: .retentionMs
      case .size: .retentionBytes
      case .logStart: .logStartOffset
      }
    self.init(
      baseOffset: segment.baseOffset, endOffset: segment.endOffset, sizeInBytes: segment.sizeInBytes,
      largestTimestamp: segment.largestTimestamp, reason: reason, isActive: segment.isActive)
  }
}
