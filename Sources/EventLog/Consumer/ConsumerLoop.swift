internal import RecordFormat
internal import Synchronization

/// What a loop over a consumer was given, so that it can commit, or end, anywhere without losing what it was not.
final class ConsumerLoop: Sendable {
  private struct State {
    /// What a poll returned and the loop was not given yet, the next one last.
    var waiting: [ConsumerBatch] = []
    /// The batch whose records are being given one by one.
    var current: (batch: ConsumerBatch, records: ConsumerBatch.Iterator)?
    /// What was given last: a record, or a batch by its first offset.
    var inHand: (topicPartition: TopicPartition, offset: Int64)?

    var unread: [TopicPartition: Int64] {
      var unread: [TopicPartition: Int64] = [:]
      for batch in waiting { unread[batch.topicPartition] = batch.offsets.lowerBound }
      if let current {
        unread[current.batch.topicPartition] = inHand.map { $0.offset + 1 } ?? current.batch.offsets.lowerBound
      }
      return unread
    }
  }

  private let consumer: Consumer
  private let state = Mutex(State())

  init(_ consumer: Consumer) {
    self.consumer = consumer
  }

  deinit {
    let (unread, inHand) = state.withLock { ($0.unread, $0.inHand) }
    guard inHand != nil || !unread.isEmpty else { return }
    consumer.loopEnded(unread: unread, inHand: inHand)
  }

  /// The first offset of each partition that the loop was not given, of what the last poll returned.
  var unread: [TopicPartition: Int64] { state.withLock { $0.unread } }

  /// Drops what it has in store of partitions whose position was moved.
  func forget(_ partitions: [TopicPartition]) {
    state.withLock { state in
      state.waiting.removeAll { partitions.contains($0.topicPartition) }
      if let current = state.current, partitions.contains(current.batch.topicPartition) { state.current = nil }
      if let inHand = state.inHand, partitions.contains(inHand.topicPartition) { state.inHand = nil }
    }
  }

  /// Gives a record back that could not be used: it comes again.
  func putBack(_ record: ConsumerRecord) {
    forget([record.topicPartition])
    consumer.rewind(to: record.offset, of: record.topicPartition)
  }

  func nextBatch() async throws -> ConsumerBatch {
    while true {
      if let batch = state.withLock({ state -> ConsumerBatch? in
        guard let batch = state.waiting.popLast() else { return nil }
        state.inHand = (batch.topicPartition, batch.offsets.lowerBound)
        return batch
      }) {
        return batch
      }
      try await poll()
    }
  }

  func nextRecord() async throws -> ConsumerRecord {
    while true {
      if let record = state.withLock({ state -> ConsumerRecord? in
        while true {
          if let record = state.current?.records.next() {
            state.inHand = (record.topicPartition, record.offset)
            return record
          }
          state.current = nil
          guard let batch = state.waiting.popLast() else { return nil }
          state.current = (batch, batch.makeIterator())
        }
      }) {
        return record
      }
      try await poll()
    }
  }

  private func poll() async throws {
    // To ask for more is to say that what was given is done with.
    state.withLock { $0.inHand = nil }
    let batches = try await consumer.poll(timeout: .seconds(3600)).batches
    state.withLock { $0.waiting = batches.reversed() }
  }
}
