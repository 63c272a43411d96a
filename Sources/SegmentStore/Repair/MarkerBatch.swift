internal import RecordFormat

/// A marker that ends a transaction, as a batch of its own.
enum MarkerBatch {
  /// The bytes of one at `offset`.
  static func bytes(
    _ kind: ControlRecord.Kind, at offset: Int64, producerID: Int64, producerEpoch: Int16, leaderEpoch: Int32,
    timestamp: Int64
  ) -> [UInt8] {
    let marker = ControlRecord(kind: kind, coordinatorEpoch: 0)
    let record = [Record(key: marker.key, value: marker.value, timestamp: timestamp)]
    let measure = RecordBatchEncoder.measure(record.span, now: timestamp, accepted: .min ... .max)
    var header = RecordBatchHeader(
      baseOffset: offset, batchLength: Int32(measure.batchSize - RecordBatchHeader.logOverhead),
      partitionLeaderEpoch: leaderEpoch, attributes: BatchAttributes(isTransactional: true, isControl: true),
      lastOffsetDelta: 0, baseTimestamp: timestamp, maxTimestamp: timestamp, producerID: producerID,
      producerEpoch: producerEpoch, recordCount: 1)
    var bytes = [UInt8](repeating: 0, count: measure.batchSize)
    bytes.withUnsafeMutableBytes { buffer in
      guard let base = buffer.baseAddress else { return }
      RecordBatchEncoder.store(record.span, measured: measure, now: timestamp, at: base + RecordBatchHeader.size)
      header.seal(at: base)
    }
    return bytes
  }
}
