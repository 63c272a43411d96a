internal import MetadataStore
internal import RecordFormat
internal import SegmentStore

/// A topic as it is now. Changing it makes a new one, so that whoever holds this one goes on undisturbed.
final class Topic: Sendable {
  let id: TopicID
  let name: String
  let hosted: [HostedPartition]
  /// The configurations that differ from the defaults.
  let configs: [String: String]
  /// The logs that were asked for, at hand for the producers.
  private let logs: SetOnceTable<PartitionLog>

  init(id: TopicID, name: String, partitions: [HostedPartition], configs: [String: String]) {
    self.id = id
    self.name = name
    hosted = partitions
    self.configs = configs
    logs = SetOnceTable(count: partitions.count)
  }

  var partitionCount: Int { hosted.count }

  /// All partitions, to be used: their logs are made where they are not yet.
  func allPartitions() -> [Partition] {
    hosted.enumerated().map { number, hosted in hosted.partition(TopicPartition(name, number)) }
  }

  /// The logs that somebody has used since the broker was opened, or that had to be opened then: all that there can be something
  /// to do about.
  var logsInUse: some Sequence<(number: Int, log: PartitionLog)> {
    hosted.indices.lazy.compactMap { number in self.logIfUsed(number).map { (number, $0) } }
  }

  /// The log of a partition, where there is one that somebody has used.
  func logIfUsed(_ number: Int) -> PartitionLog? {
    guard hosted.indices.contains(number), case .online(let hosted) = hosted[number] else { return nil }
    return hosted.logIfUsed
  }

  /// The log of a partition, to append to.
  ///
  /// - Throws: as `partition`, and as `Partition.log`.
  @inline(always)
  func log(_ number: Int) throws(EventLogError) -> PartitionLog {
    if let log = logs[number] { return log }
    return try findLog(number)
  }

  private func findLog(_ number: Int) throws(EventLogError) -> PartitionLog {
    let log = try partition(number).log()
    logs.set(log, at: number)
    return log
  }

  /// What `configs` and the defaults come to; nil where this process does not own the topic.
  var logConfiguration: LogConfiguration? {
    hosted.lazy.compactMap { if case .online(let hosted) = $0 { hosted.configuration } else { nil } }.first
  }

  /// - Throws: `unknownTopicOrPartition` for a number that the topic does not have, `illegalArgument` for a negative one.
  func partition(_ number: Int) throws(EventLogError) -> Partition {
    guard number >= 0 else {
      throw EventLogError(.illegalArgument, "a partition's number can't be negative", topic: name, partition: number)
    }
    guard number < hosted.count else {
      throw EventLogError(
        .unknownTopicOrPartition, "the topic has \(hosted.count) partitions, counted from 0", topic: name,
        partition: number)
    }
    return hosted[number].partition(TopicPartition(name, number))
  }
}

/// A partition, by how this process has it.
enum Partition: Sendable {
  /// This process is the owner.
  case log(PartitionLog)
  /// Another process may be; this one only reads.
  case reader(PartitionReader)
  /// It could not be opened. The others go on without it.
  indirect case offline(TopicPartition, EventLogError)

  /// The log to append to.
  ///
  /// - Throws: `readOnly`, or why the partition could not be opened.
  func log() throws(EventLogError) -> PartitionLog {
    switch self {
    case .log(let log): return log
    case .reader(let reader):
      throw EventLogError(.readOnly, "the broker was opened read-only").at(reader.topicPartition)
    case .offline(_, let error): throw error
    }
  }

  func logStartOffset() throws(EventLogError) -> Int64 {
    switch self {
    case .log(let log): return log.logStartOffset
    case .reader(let reader): return try reader.logStartOffset()
    case .offline(_, let error): throw error
    }
  }

  func logEndOffset() throws(EventLogError) -> Int64 {
    switch self {
    case .log(let log): return log.logEndOffset
    case .reader(let reader): return try reader.logEndOffset()
    case .offline(_, let error): throw error
    }
  }

  func highWatermark() throws(EventLogError) -> Int64 {
    guard case .log(let log) = self else { return try logEndOffset() }
    try log.waitUntilRecovered()
    return log.highWatermark
  }

  /// What a consumer of this isolation reads up to.
  func endOffset(_ isolation: Isolation) throws(EventLogError) -> Int64 {
    guard isolation == .readCommitted else { return try highWatermark() }
    switch self {
    case .log(let log):
      try log.waitUntilRecovered()
      return log.lastStableOffset
    case .reader(let reader): return try reader.lastStableOffset()
    case .offline(_, let error): throw error
    }
  }

  func leaderEpochs() throws(EventLogError) -> LeaderEpochCheckpoint {
    switch self {
    case .log(let log): return log.leaderEpochs
    case .reader(let reader): return reader.leaderEpochs
    case .offline(_, let error): throw error
    }
  }

  func offset(forTimestamp timestamp: Int64) throws(EventLogError) -> (offset: Int64, timestamp: Int64)? {
    switch self {
    case .log(let log): return try log.offset(forTimestamp: timestamp)
    case .reader(let reader): return try reader.offset(forTimestamp: timestamp)
    case .offline(_, let error): throw error
    }
  }

  /// Reads on from where `fetched` ended, and puts what it finds in its place.
  func read(
    into fetched: inout FetchedBatches, from offset: Int64, maxBytes: Int, minimumOneBatch: Bool, isolation: Isolation,
    checksCRC: Bool
  ) throws(EventLogError) {
    switch self {
    case .log(let log):
      try log.read(
        into: &fetched, from: offset, maxBytes: maxBytes, minimumOneBatch: minimumOneBatch,
        isolation: isolation.level, checksCRC: checksCRC)
    case .reader(let reader):
      fetched = try reader.read(
        from: offset, maxBytes: maxBytes, minimumOneBatch: minimumOneBatch, isolation: isolation.level)
    case .offline(_, let error): throw error
    }
  }
}

extension Isolation {
  /// The same, as the segment store calls it.
  var level: IsolationLevel { self == .readCommitted ? .readCommitted : .readUncommitted }
}
