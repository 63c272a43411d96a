internal import RecordFormat
internal import SegmentStore
internal import Synchronization

/// Collects records that linger (`linger.ms`), so that those of one partition share a batch.
final class RecordAccumulator: Sendable {
  typealias Append = @Sendable (Span<Record>, PartitionLog) throws(EventLogError) -> AppendResult

  private let queues = Mutex<[TopicPartition: Queue]>([:])
  private let context: StoreContext
  private let appendBatch = Mutex<Append?>(nil)
  private let batchSize: Int
  private let linger: Int64

  init(context: StoreContext, batchSize: Int, linger: Int64) {
    self.context = context
    self.batchSize = batchSize
    self.linger = linger
  }

  /// Says how a batch is appended.
  func setAppend(_ append: @escaping Append) {
    appendBatch.withLock { $0 = append }
  }

  /// One partition's open batch. Its lock is held while the batch is appended, so that batches keep their order; so do
  /// their completions, which are called outside it by one thread at a time.
  private final class Queue: Sendable {
    struct Outbox {
      var calls: [@Sendable () -> Void] = []
      var isBeingCalled = false
    }

    struct Batch {
      var records: [Record] = []
      var completions: [@Sendable (Result<AppendResult, any Error>) -> Void] = []
      var bytes = 0
      /// What the batch may have, where it has records.
      var limit = 0
      /// Tells the timer of this batch from that of an earlier one.
      var number = 0
    }

    let log: PartitionLog
    let batch = Mutex(Batch())
    private let outbox = Mutex(Outbox())

    init(log: PartitionLog) {
      self.log = log
    }

    /// Puts calls behind those that are waiting. With the batch's lock held, so that they come in its order.
    func enqueue(_ calls: [@Sendable () -> Void]) {
      outbox.withLock { $0.calls += calls }
    }

    /// Makes the calls that wait, unless another thread is at it, which then makes them too.
    func call() {
      var isCalling = false
      while true {
        let calls = outbox.withLock { outbox -> [@Sendable () -> Void] in
          if outbox.isBeingCalled, !isCalling { return [] }
          let calls = outbox.calls
          outbox.calls = []
          outbox.isBeingCalled = !calls.isEmpty
          return calls
        }
        if calls.isEmpty { return }
        isCalling = true
        for call in calls { call() }
      }
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
    let timer = queue.batch.withLock { batch -> Int? in
      if !batch.records.isEmpty, batch.bytes + size > batch.limit { append(&batch, of: queue) }
      let index = batch.records.count
      if index == 0 { batch.limit = min(batchSize, log.configuration.fillableBytes) }
      batch.records.append(record)
      batch.completions.append { appended(index, $0) }
      batch.bytes += size
      if batch.bytes >= batch.limit {
        append(&batch, of: queue)
        return nil
      }
      return index == 0 ? batch.number : nil
    }
    queue.call()
    guard let timer else { return }
    context.timekeeper.schedule(at: context.time.deadline(in: linger), for: .endOfWait) {
      queue.batch.withLock { batch in
        if batch.number == timer { self.append(&batch, of: queue) }
      }
      queue.call()
    }
  }

  /// Appends everything that lingers, and waits until whoever sent it, and all before it, has been told of the append.
  func flush() async {
    let told = OneShot<Void>()
    appendAll { told.complete(.success(())) }
    // Where the waiting is cancelled, everything has been appended all the same.
    try? await told.value()
  }

  /// The same, blocking this thread.
  func flush() {
    let told = Latch()
    appendAll { told.open() }
    told.wait()
  }

  private func appendAll(_ told: @escaping @Sendable () -> Void) {
    let queues = queues.withLock { Array($0.values) }
    let countdown = Countdown(queues.count) { _ in told() }
    for queue in queues {
      queue.batch.withLock { batch in
        append(&batch, of: queue)
        queue.enqueue([{ countdown.count(nil) }])
      }
      queue.call()
    }
  }

  /// Gives everything up that lingers.
  func abort(_ error: EventLogError) {
    for queue in queues.withLock({ Array($0.values) }) {
      queue.batch.withLock { batch in
        complete(&batch, of: queue, .failure(error))
      }
      queue.call()
    }
  }

  /// Appends what lingers, if anything does.
  private func append(_ batch: inout Queue.Batch, of queue: Queue) {
    guard !batch.records.isEmpty else { return }
    let result: Result<AppendResult, any Error>
    do throws(EventLogError) {
      guard let append = appendBatch.withLock({ $0 }) else {
        throw EventLogError(.illegalState, "the producer is not set up")
      }
      result = .success(try append(batch.records.span, queue.log))
    } catch {
      result = .failure(error)
    }
    complete(&batch, of: queue, result)
  }

  private func complete(_ batch: inout Queue.Batch, of queue: Queue, _ result: Result<AppendResult, any Error>) {
    queue.enqueue(batch.completions.map { completion in { completion(result) } })
    batch = Queue.Batch(number: batch.number + 1)
  }
}

extension LogConfiguration {
  /// What records that are put together for a batch may come to, counted as `Producer.size` does, so that the topic takes it. That
  /// counts the batch with each of them; of bytes that can't be compressed a codec makes a little more.
  var fillableBytes: Int {
    let largest = min(maxMessageBytes, segmentBytes)
    return largest - largest >> 10
  }
}
