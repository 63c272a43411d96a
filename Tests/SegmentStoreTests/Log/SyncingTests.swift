import Foundation
import RecordFormat
import SegmentStore
import SegmentStoreTesting
import Synchronization
import Testing

@Suite("Who syncs, and who is told", .timeLimit(.minutes(2)))
struct SyncingTests {
  private let directory: TemporaryDirectory
  private let files: FaultyFileSystem
  private let test: TestLog
  private let log: PartitionLog

  init() throws {
    directory = try TemporaryDirectory()
    files = FaultyFileSystem(root: directory.path, tracksDurability: false, syncs: false)
    test = TestLog(directory.path, fileSystem: files)
    log = try test.open()
  }

  /// Has the end of the log told of, and waits until that is being done, and held up by the latch.
  private func holdUpTelling() throws -> Latch {
    let (isTold, goesOn) = (Latch(), Latch())
    try log.append("told")
    log.whenDurable(upTo: log.logEndOffset) { _ in
      isTold.open()
      goesOn.wait()
    }
    isTold.wait()
    return goesOn
  }

  /// Has what becomes of the log's end told, and says when that was done.
  private func tellOfEnd() -> (isTold: Latch, failure: FailureBox) {
    let (isTold, failure) = (Latch(), FailureBox())
    log.whenDurable(upTo: log.logEndOffset) { error in
      failure.set(error)
      isTold.open()
    }
    return (isTold, failure)
  }

  @Test("who is told may wait for the disk, roll, and settle segments, on the thread that tells")
  func insideCallback() throws {
    try log.append("first")
    let outcome = Mutex<[String]>([])
    let isDone = Latch()
    log.whenDurable(upTo: log.logEndOffset) { [log] _ in
      let end = (try? log.append("second", durably: true)) == nil ? "failed" : "appended"
      outcome.withLock { $0.append("\(end), durable up to \(log.durableOffset)") }
      let isRolled = log.rollAndFinish()
      outcome.withLock { $0.append("rolled: \(isRolled), \(log.segments.count) segments") }
      isDone.open()
    }
    isDone.wait()
    #expect(outcome.withLock { $0 } == ["appended, durable up to 2", "rolled: true, 2 segments"])
  }

  @Test("who blocks does not wait for what those do who are told")
  func besideCallback() throws {
    let goesOn = try holdUpTelling()
    try log.append("blocks", durably: true)
    #expect(log.durableOffset == 2)
    #expect(log.rollAndFinish())
    try log.flush()
    goesOn.open()
  }

  @Test("who blocks behind a sync that is running goes on when it ends, though others are being told")
  func behindRunningSync() throws {
    let goesOn = try holdUpTelling()
    let gate = Gate()
    files.arm(.syncData, after: 0, times: 1, with: .hold(gate)) { $0.hasSuffix(".log") }
    let threads = WorkerPool(threads: 3)
    let reached = Latch()
    gate.whenReached { reached.open() }
    threads.submit { [log] in _ = try? log.append("leads", durably: true) }
    reached.wait()
    // These come too late for that sync: one of them runs the next, and nobody else would.
    for _ in 0..<2 { threads.submit { [log] in _ = try? log.append("follows", durably: true) } }
    gate.open()
    threads.shutDown()
    #expect(log.durableOffset == 4)
    goesOn.open()
  }

  private final class Consumer: AppendWaiter {
    let moved: @Sendable () -> Void
    init(_ moved: @escaping @Sendable () -> Void) { self.moved = moved }
    func highWatermarkMoved() -> Bool {
      moved()
      return false
    }
    func wakeUp() {}
  }

  @Test("consumers are woken before anybody is told, who may hold them up")
  func consumersFirst() throws {
    let isShown = Atomic(false)
    log.addWaiter(Consumer { [log] in if log.highWatermark == 1 { isShown.store(true, ordering: .releasing) } })
    let records = [Record(value: Array("value".utf8))]
    let end = try log.append(records: records.span, AppendOptions(isDurable: true)).nextOffset
    let isShownEarly = isShown.load(ordering: .acquiring)
    #expect(!isShownEarly)
    let isTold = Latch()
    let wasShown = Atomic(false)
    log.whenDurable(upTo: end) { _ in
      wasShown.store(isShown.load(ordering: .acquiring), ordering: .releasing)
      isTold.open()
    }
    isTold.wait()
    let isInOrder = wasShown.load(ordering: .acquiring)
    #expect(isInOrder)
  }

  @Test("who runs a sync that it waits for tells nobody itself")
  func leader() throws {
    let gate = Gate()
    files.arm(.syncData, after: 0, times: 1, with: .hold(gate)) { $0.hasSuffix(".log") }
    try log.append("first")
    let reached = Latch()
    gate.whenReached { reached.open() }
    let own = Mutex<UInt>(0)
    let told = Mutex<[UInt]>([])
    let threads = WorkerPool(threads: 1)
    threads.submit { [log] in
      own.withLock { $0 = UInt(pthread_self()) }
      try? log.flush()
    }
    reached.wait()
    let isDone = Latch()
    log.whenDurable(upTo: 1) { _ in
      told.withLock { $0.append(UInt(pthread_self())) }
      isDone.open()
    }
    gate.open()
    isDone.wait()
    threads.shutDown()
    #expect(told.withLock { $0 } != [own.withLock { $0 }])
  }

  @Test("completions come in the order of the calls, whatever is called within them")
  func order() throws {
    let order = Mutex<[Int]>([])
    let isDone = Latch()
    for number in 0..<20 {
      try log.append("\(number)")
      log.whenDurable(upTo: log.logEndOffset) { [log] _ in
        order.withLock { $0.append(number) }
        if number % 5 == 0 { _ = try? log.append("within", durably: true) }
        if number % 7 == 0 { log.whenDurable(upTo: 0) { _ in order.withLock { $0.append(100 + number) } } }
        if number == 19 { isDone.open() }
      }
    }
    isDone.wait()
    try log.flush()
    let seen = order.withLock { $0 }
    #expect(seen.filter { $0 < 100 } == Array(0..<20))
    #expect(seen.filter { $0 >= 100 } == seen.filter { $0 >= 100 }.sorted())
  }

  @Test("giving a log up does not wait for those who are told, and has the others told why")
  func abandoned() throws {
    let goesOn = try holdUpTelling()
    try log.append("late")
    let (isTold, failure) = tellOfEnd()
    log.abandon(EventLogError(.unknownTopicOrPartition, "the topic was deleted"))
    goesOn.open()
    isTold.wait()
    #expect(failure.get()?.code == .unknownTopicOrPartition)
    #expect(files.openFiles == 0)
  }

  @Test("a sync that fails fails for all who wait, and is not tried again")
  func failure() throws {
    let goesOn = try holdUpTelling()
    files.arm(.syncData, after: 0, times: 1, with: .fail(FaultyFileSystem.inputOutput)) { $0.hasSuffix(".log") }
    let syncs = files.count(.syncData)
    try log.append("late")
    let (isTold, failure) = tellOfEnd()
    #expect(throws: EventLogError.self) { try log.flush() }
    goesOn.open()
    isTold.wait()
    #expect(failure.get()?.code == .storageError)
    #expect(throws: EventLogError.self) { try log.flush() }
    #expect(files.count(.syncData) == syncs + 1)
  }

  @Test("random appends that block and that are told, from several threads, all become durable, in order")
  func random() throws {
    let threads = WorkerPool(threads: 6)
    let told = Mutex<[Int]>([])
    for number in 0..<6 {
      threads.submit { [log] in
        var random = SplitMix(seed: UInt64(number))
        for _ in 0..<200 {
          let isBlocking = Bool.random(using: &random)
          guard let offset = try? log.append("value", durably: isBlocking) else { return }
          guard !isBlocking else { continue }
          let nests = Bool.random(using: &random)
          log.whenDurable(upTo: offset + 1) { _ in
            if nests { _ = try? log.append("nested", durably: true) }
            told.withLock { $0.append(number) }
          }
        }
      }
    }
    threads.shutDown()
    try log.flush()
    let isLast = Latch()
    log.whenDurable(upTo: log.logEndOffset) { _ in isLast.open() }
    isLast.wait()
    #expect(log.durableOffset == log.logEndOffset)
    #expect(log.logEndOffset >= 1200)
  }
}
