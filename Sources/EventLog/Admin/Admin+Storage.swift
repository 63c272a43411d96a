public import RecordFormat
internal import SegmentStore

/// A directory that holds partitions (Kafka's `LogDirDescription`).
public struct LogDirDescription: Sendable {
  /// The data directory.
  public var path: String
  /// Bytes of the volume that the directory is on (KIP-827); nil where the system does not say.
  public var totalBytes: Int64?
  /// Bytes of the volume that may still be written; nil where the system does not say.
  public var usableBytes: Int64?
  /// The partitions in it. One that could not be opened has a size of 0.
  public var replicas: [TopicPartition: ReplicaInfo]
}

/// A partition's place in a log directory (Kafka's `ReplicaInfo`).
public struct ReplicaInfo: Sendable, Hashable {
  /// Bytes of all batches, as Kafka counts: without indexes, and without the room that is reserved ahead of what is
  /// written.
  public var size: Int64
  /// Lengths of all files of the partition, with indexes and with the room that the active segment has reserved.
  public var fileSize: Int64
  /// How far the replica is behind: records that are appended, but not to be seen before they are on the disk.
  public var offsetLag: Int64
  /// Whether the replica is one that is being moved here. Always false: there is one directory.
  public var isFuture: Bool { false }
  /// Why the partition can't be read, in which case the sizes are what could be found out; nil where all is well.
  public var error: EventLogError?
}

/// What a log says of a producer that has an id (Kafka's `ProducerState`, KIP-664).
public struct ProducerDescription: Sendable, Hashable {
  /// The producer's id.
  public var producerID: Int64
  /// Its epoch, of the last batch or marker.
  public var producerEpoch: Int16
  /// The sequence number of its last record; -1 where the epoch has written none.
  public var lastSequence: Int32
  /// The timestamp of its last batch or marker, in milliseconds since 1970.
  public var lastTimestamp: Int64
  /// The epoch of the transaction coordinator that wrote its last marker; nil where there was none.
  public var coordinatorEpoch: Int32?
  /// The first offset of its open transaction; nil where none is open.
  public var currentTransactionStartOffset: Int64?
}

extension Admin {
  /// The directories that hold partitions, with their sizes: one, the data directory (Kafka's `describeLogDirs`).
  public func describeLogDirs() throws -> [LogDirDescription] {
    try broker.requireOpen()
    let space = try? VolumeSpace(of: broker.path)
    var replicas: [TopicPartition: ReplicaInfo] = [:]
    for topic in broker.topicTable.all() {
      for (number, partition) in topic.allPartitions().enumerated() {
        let topicPartition = TopicPartition(topic.name, number)
        let directory = broker.path + "/" + topicPartition.description
        var replica = ReplicaInfo(size: 0, fileSize: fileSize(directory), offsetLag: 0)
        do throws(EventLogError) {
          replica.size = try partition.writtenBytes()
          let end = try partition.logEndOffset()
          replica.offsetLag = max(0, end - ((try? partition.highWatermark()) ?? end))
        } catch {
          replica.error = error.at(topicPartition)
        }
        replicas[topicPartition] = replica
      }
    }
    return [
      LogDirDescription(
        path: broker.path, totalBytes: space?.totalBytes, usableBytes: space?.usableBytes, replicas: replicas)
    ]
  }

  /// Files may go while they are counted: those count nothing.
  private func fileSize(_ directory: String) -> Int64 {
    let fileSystem = broker.context.fileSystem
    let names = (try? fileSystem.list(directory)) ?? []
    return names.reduce(0) { sum, name in
      let status = try? fileSystem.status(directory + "/" + name)
      return sum + (status?.size ?? 0)
    }
  }

  /// The idempotent and transactional producers that have written to a partition, by their ids.
  ///
  /// This goes over all batch headers of the log: it tells of every producer of which the log still holds a batch or a
  /// marker, however long ago it wrote.
  ///
  /// - Throws: `unknownTopicOrPartition`; `corruptMessage` where the log is damaged.
  public func describeProducers(_ partition: TopicPartition) throws -> [ProducerDescription] {
    try broker.requireOpen()
    return try producers(partition)
  }

  /// The producers of partitions; each succeeds or fails by itself (Kafka's `describeProducers`).
  public func describeProducers(
    each partitions: [TopicPartition]
  ) throws -> [TopicPartition: Result<[ProducerDescription], EventLogError>] {
    try broker.requireOpen()
    return results(of: Set(partitions)) { partition throws(EventLogError) in try producers(partition) }
  }

  private func producers(_ partition: TopicPartition) throws(EventLogError) -> [ProducerDescription] {
    try broker.partition(partition).producers().map { state in
      ProducerDescription(
        producerID: state.producerID, producerEpoch: state.producerEpoch, lastSequence: state.lastSequence,
        lastTimestamp: state.lastTimestamp, coordinatorEpoch: state.coordinatorEpoch,
        currentTransactionStartOffset: state.transactionStart)
    }
  }
}
