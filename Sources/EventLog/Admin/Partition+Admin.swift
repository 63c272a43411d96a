internal import RecordFormat
internal import SegmentStore

/// What the administration asks of a partition, however this process has it.
extension Partition {
  func offsetOfMaxTimestamp() throws(EventLogError) -> (offset: Int64, timestamp: Int64)? {
    switch self {
    case .log(let log): return try log.offsetOfMaxTimestamp()
    case .reader(let reader): return try reader.offsetOfMaxTimestamp()
    case .offline(_, let error): throw error
    }
  }

  func producers() throws(EventLogError) -> [ProducerState] {
    switch self {
    case .log(let log): return log.producers()
    case .reader(let reader): return try reader.producers()
    case .offline(_, let error): throw error
    }
  }

  /// Bytes of all batches, without what is reserved ahead of them.
  func writtenBytes() throws(EventLogError) -> Int64 {
    switch self {
    case .log(let log): return log.sizeInBytes
    case .reader(let reader): return try reader.writtenBytes()
    case .offline(_, let error): throw error
    }
  }
}
