package import RecordFormat

/// What a log says of a producer that has an id: idempotent or transactional.
package struct ProducerState: Sendable, Equatable {
  package var producerID: Int64
  package var producerEpoch: Int16
  /// -1 where the epoch has written no batch yet.
  package var lastSequence: Int32
  /// Of the last batch or marker; milliseconds since 1970.
  package var lastTimestamp: Int64
  /// Of the coordinator that wrote the last marker.
  package var coordinatorEpoch: Int32?
  /// The first offset of the transaction that is open.
  package var transactionStart: Int64?
}

/// Gathers the producers of a log from its batches, in the order of their offsets.
struct ProducerScan {
  private(set) var states: [Int64: ProducerState] = [:]

  var sorted: [ProducerState] { states.values.sorted { $0.producerID < $1.producerID } }

  mutating func add(data header: RecordBatchHeader) {
    guard header.hasProducerID else { return }
    var state = states[header.producerID] ?? Self.fresh(header)
    state.producerEpoch = header.producerEpoch
    state.lastSequence = header.lastSequence
    state.lastTimestamp = header.maxTimestamp
    if header.attributes.isTransactional, state.transactionStart == nil { state.transactionStart = header.baseOffset }
    states[header.producerID] = state
  }

  mutating func add(marker batch: RecordBatchView) throws(EventLogError) {
    let header = batch.header
    guard header.hasProducerID, header.recordCount > 0 else { return }
    let marker = try ControlRecord(decoding: batch)
    guard marker.kind == .commit || marker.kind == .abort else { return }
    var state = states[header.producerID] ?? Self.fresh(header)
    // A marker of a newer epoch fences the producer: the next batch begins with sequence 0.
    if header.producerEpoch != state.producerEpoch { state.lastSequence = -1 }
    state.producerEpoch = header.producerEpoch
    state.lastTimestamp = header.maxTimestamp
    state.coordinatorEpoch = marker.coordinatorEpoch
    state.transactionStart = nil
    states[header.producerID] = state
  }

  private static func fresh(_ header: RecordBatchHeader) -> ProducerState {
    ProducerState(
      producerID: header.producerID, producerEpoch: header.producerEpoch, lastSequence: -1,
      lastTimestamp: header.maxTimestamp)
  }
}

extension PartitionLog {
  /// The producers with an id whose batches or markers the log still holds, by a scan of all its batch headers.
  package func producers() throws(EventLogError) -> [ProducerState] {
    var scan = ProducerScan()
    do throws(EventLogError) {
      for segment in segments {
        let size = segment.size
        guard size > 0 else { continue }
        let contents = try segment.loadedContents(context)
        var position = 0
        while position < size {
          let header = try header(in: contents, at: position, size: size, segment)
          if header.attributes.isControl {
            try scan.add(marker: RecordBatchView(region: contents.region, start: position, header: header))
          } else {
            scan.add(data: header)
          }
          position += header.sizeInBytes
        }
      }
    } catch {
      throw error.at(topicPartition)
    }
    return scan.sorted
  }
}

extension PartitionReader {
  /// As `PartitionLog.producers`.
  package func producers() throws(EventLogError) -> [ProducerState] {
    var scan = ProducerScan()
    try forEachBatch { header, batch throws(EventLogError) in
      if header.attributes.isControl { try scan.add(marker: batch()) } else { scan.add(data: header) }
      return true
    }
    return scan.sorted
  }

  /// The first offset of the earliest transaction that is still open, or the log end: by a scan of all batch headers.
  package func lastStableOffset() throws(EventLogError) -> Int64 {
    let end = try logEndOffset()
    let firstOpen = try producers().compactMap(\.transactionStart).min() ?? end
    return max(min(firstOpen, end), try logStartOffset())
  }
}
