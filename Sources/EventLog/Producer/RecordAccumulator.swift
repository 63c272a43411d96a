internal import RecordFormat
internal import SegmentStore
internal import Synchronization

/// Collects records that linger (`linger.ms`), so that those of one partition share a batch.
final class RecordAccumulator: Sendable {
  private let queues = Mutex<[TopicPartition: Queue]>([:])
  private let context: StoreContext
  private let options: AppendOptions
  private let batchSize: Int
  private let linger: Int64

  init(context: StoreContext, options: AppendOptions, batchSize: Int, linger: Int64) {
    self.context = context
    self.options = options
    self.batchSize = batchSize
    self.linger = linger
  }

  /// One partition's open batch. Its lock is held while the batch is appended, so that batches keep their order.
  private final class Queue: Sendable {
    struct Batch {
      var records: [Record] = []
      var completions: [@Sendable (Result<AppendResult, any Error>) -> Void] = []
      var bytes = 0
      /// Tells the timer of this batch from that of an earlier one.
      var number = 0
    }

    let log: PartitionLog
    let batch = Mutex(Batch())

    init(log: PartitionLog) {
      self.log = log
    }
  }

  private func queue(_ log: PartitionLog) -> Queue {
    queues.withLock { queues in
      if let queue = queues[log.topicPartition], queue.log === log { return queue }
      let queue = Queue(log: log)
      queues[log.topicPartition] = queue
      return queue
    }
  }

  /// Adds a record to its partition's batch. `appended` is called when the batch is, which may be at once.
  func add(
    _ record: Record, size: Int, to log: PartitionLog,
    appended: @escaping @Sendable (Int, Result<AppendResult, any Error>) -> Void
  ) {
    let queue = queue(log)
    var done: [@Sendable () -> Void] = []
    let timer = queue.batch.withLock { batch -> Int? in
      if !batch.records.isEmpty, batch.bytes + size > batchSize { done += append(&batch, log) }
      let index = batch.records.count
      batch.records.append(record)
      batch.completions.append { appended(index, $0) }
      batch.bytes += size
      if batch.bytes >= batchSize {
        done += append(&batch, log)
        return nil
      }
      return index == 0 ? batch.number : nil
    }
    for call in done { call() }
    guard let timer else { return }
    context.timekeeper.schedule(at: context.time.monotonicMilliseconds() + linger) {
      self.flush(queue) { $0.number == timer }
    }
  }

  /// Appends everything that lingers.
  func flush() {
    for queue in queues.withLock({ Array($0.values) }) { flush(queue) { _ in true } }
  }

  private func flush(_ queue: Queue, if condition: (Queue.Batch) -> Bool) {
    let done = queue.batch.withLock { batch in
      condition(batch) && !batch.records.isEmpty ? append(&batch, queue.log) : []
    }
    for call in done { call() }
  }

  /// Gives everything up that lingers.
  func abort(_ error: EventLogError) {
    for queue in queues.withLock({ Array($0.values) }) {
      let completions = queue.batch.withLock { batch in
        defer { batch = Queue.Batch(number: batch.number + 1) }
        return batch.completions
      }
      for completion in completions { completion(.failure(error)) }
    }
  }

  /// Appends a batch, and returns whom to tell once the lock is let go.
  private func append(_ batch: inout Queue.Batch, _ log: PartitionLog) -> [@Sendable () -> Void] {
    let records = batch.records
    let completions = batch.completions
    batch = Queue.Batch(number: batch.number + 1)
    let result: Result<AppendResult, any Error>
    do throws(EventLogError) {
      result = .success(try log.append(records: records.span, options))
    } catch {
      result = .failure(error)
    }
    return completions.map { completion in { completion(result) } }
  }
}
