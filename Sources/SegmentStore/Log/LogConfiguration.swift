package import RecordFormat

/// The topic configurations that one partition's log goes by. Names, units and defaults are Kafka's.
package struct LogConfiguration: Sendable, Equatable {
  /// `segment.bytes`
  package var segmentBytes = 1 << 30
  /// `segment.ms`
  package var segmentMilliseconds: Int64 = 604_800_000
  /// `segment.jitter.ms`
  package var segmentJitterMilliseconds: Int64 = 0
  /// `segment.index.bytes`
  package var segmentIndexBytes = 10_485_760
  /// `index.interval.bytes`
  package var indexIntervalBytes = 4096
  /// `max.message.bytes`: of a whole batch, compressed.
  package var maxMessageBytes = 1_048_588
  /// `message.timestamp.type`
  package var timestampType: TimestampType = .createTime
  /// `message.timestamp.before.max.ms`
  package var timestampBeforeMaxMilliseconds = Int64.max
  /// `message.timestamp.after.max.ms`
  package var timestampAfterMaxMilliseconds = Int64.max
  /// `compression.type`; nil is `producer`: as the producer compressed.
  package var compression: CompressionType?
  /// `compression.<codec>.level` of the codec in `compression`; nil is Kafka's default.
  package var compressionLevel: Int32?
  /// Whether `cleanup.policy` has `compact`: every record then needs a key.
  package var isCompacted = false
  /// Whether `cleanup.policy` has `delete`.
  package var isDeleted = true
  /// `retention.ms`; negative for ever.
  package var retentionMilliseconds: Int64 = 604_800_000
  /// `retention.bytes`; negative for no limit.
  package var retentionBytes: Int64 = -1
  /// `file.delete.delay.ms`
  package var fileDeleteDelayMilliseconds: Int64 = 60_000
  /// `min.cleanable.dirty.ratio`
  package var minCleanableDirtyRatio = 0.5
  /// `delete.retention.ms`
  package var deleteRetentionMilliseconds: Int64 = 86_400_000
  /// `min.compaction.lag.ms`
  package var minCompactionLagMilliseconds: Int64 = 0
  /// `max.compaction.lag.ms`: with `compact`, the active segment rolls at this age of record time too.
  package var maxCompactionLagMilliseconds = Int64.max
  /// `flush.messages`
  package var flushMessages = Int64.max
  /// `flush.ms`
  package var flushMilliseconds = Int64.max

  package init() {}

  /// Milliseconds of record time after which a segment rolls.
  var rollMilliseconds: Int64 {
    isCompacted ? min(segmentMilliseconds, maxCompactionLagMilliseconds) : segmentMilliseconds
  }

  /// The timestamps that a record may have at `now`. Bounds are inclusive.
  @inline(always)
  func acceptedTimestamps(now: Int64) -> ClosedRange<Int64> {
    // The append time replaces what the producer said, so that there is nothing to check.
    guard timestampType == .createTime else { return Int64.min...Int64.max }
    let (low, lowOverflows) = now.subtractingReportingOverflow(timestampBeforeMaxMilliseconds)
    let (high, highOverflows) = now.addingReportingOverflow(timestampAfterMaxMilliseconds)
    return (lowOverflows ? .min : low)...(highOverflows ? .max : high)
  }

  /// The most entries that an offset index may have; one slot of the time index is kept for the closing entry.
  var maxOffsetIndexEntries: Int { max(segmentIndexBytes / OffsetIndexEntry.size, 1) }
  var maxTimeIndexEntries: Int { max(segmentIndexBytes / TimeIndexEntry.size - 1, 1) }
}

/// What one append asks for.
package struct AppendOptions: Sendable {
  /// Whether the batch has to be on the disk before it is acknowledged and seen (`acks=all`).
  package var isDurable: Bool
  /// How the producer compresses.
  package var compression: CompressionType
  /// The codec's level; nil is Kafka's default.
  package var compressionLevel: Int32?
  /// Who appends.
  package var producer: ProducerStamp
  /// What a record may have as a batch of its own, in bytes before compression (`max.request.size`).
  package var largestRecord = Int.max

  package init(
    isDurable: Bool, compression: CompressionType = .none, compressionLevel: Int32? = nil,
    producer: ProducerStamp = .none
  ) {
    self.isDurable = isDurable
    self.compression = compression
    self.compressionLevel = compressionLevel
    self.producer = producer
  }
}

/// Where an append ended up. Small enough to be returned in registers.
@frozen @usableFromInline
package struct AppendResult: Sendable, Equatable {
  @usableFromInline package var baseOffset: Int64
  @usableFromInline package var lastOffset: Int64
  /// What a record without a timestamp of its own got; with `LogAppendTime`, every record.
  @usableFromInline package var now: Int64
  @usableFromInline var isAppendTime: Bool

  /// The append time for `LogAppendTime`; nil where each record keeps its own.
  @inlinable package var logAppendTime: Int64? { isAppendTime ? now : nil }
  /// The offset after the batch: what has to be durable before it is acknowledged with `acks=all`.
  @inlinable package var nextOffset: Int64 { lastOffset + 1 }
}

/// What is known of a partition when it is opened: from the metadata store, written at the last checkpoint.
package struct PartitionCheckpoint: Sendable, Equatable {
  package var logStartOffset: Int64
  /// Everything below it is on the disk.
  package var recoveryPoint: Int64
  /// The log end of a clean shutdown; nil after an unclean one.
  package var logEndOffset: Int64?
  /// Of how many unclean stops of its store the log's leader epoch knows: after each it has to be another one before anything is
  /// appended. `owesEpoch` where it does not know of all; nil where nobody has noted it.
  package var uncleanStops: Int64?
  /// What the files were at a clean shutdown, if that is known.
  package var shutdown: CleanShutdown?

  package static let owesEpoch: Int64 = -1

  package init(
    logStartOffset: Int64 = 0, recoveryPoint: Int64 = 0, logEndOffset: Int64? = nil, uncleanStops: Int64? = nil,
    shutdown: CleanShutdown? = nil
  ) {
    self.logStartOffset = logStartOffset
    self.recoveryPoint = recoveryPoint
    self.logEndOffset = logEndOffset
    self.uncleanStops = uncleanStops
    self.shutdown = shutdown
  }
}
