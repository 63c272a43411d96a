internal import Glibc
package import RecordFormat
internal import Synchronization

/// What all partitions of a broker share: the seams to the system, the threads, and the budgets of descriptors and
/// mappings.
package final class StoreContext: Sendable {
  package let fileSystem: any FileSystem
  package let time: TimeSource
  package let random: RandomSource
  package let timekeeper: Timekeeper
  /// The threads that sync.
  package let syncThreads: WorkerPool
  /// The thread that faults pages in ahead of fast writers.
  let populateThread: WorkerPool
  let contents: SegmentContentsCache
  /// The cap on all logs together.
  package let diskBudget: DiskBudget
  /// The thread that deletes, and decides what to delete.
  package let maintenanceThread: WorkerPool
  /// Files that wait to be unlinked.
  package let deletedFiles: DeletedFiles
  private let uncleanStopCount = Atomic<Int64>(0)
  private let descriptorsLeft: Atomic<Int>
  /// What recoveries may still sync themselves, in bytes: an opening should not last longer than a disk takes for so many. The
  /// rest is shown once a sync thread has done it.
  private let recoverySyncsLeft = Atomic<Int64>(4 << 20)
  /// So many bytes a disk syncs in the time that each sync takes at least.
  private static let smallestSync: Int64 = 64 << 10
  /// `producer.id.expiration.ms`
  package let producerIDExpiration: Int64
  /// The ids of named producers, which never expire.
  private let keptProducers = Mutex<Set<Int64>>([])
  /// Told of what a user should know and no call can return: a torn tail that was cut, an index that was rebuilt.
  package let warn: @Sendable (EventLogError) -> Void

  /// - Parameters:
  ///   - closedSegmentsKept: how many closed segments stay mapped when nobody reads them.
  ///   - warn: told of what was repaired.
  package init(
    fileSystem: any FileSystem = LocalFileSystem(), time: TimeSource = .system, random: RandomSource = .system,
    closedSegmentsKept: Int = 256, diskBudget: DiskBudget = DiskBudget(), producerIDExpiration: Int64 = 86_400_000,
    warn: @escaping @Sendable (EventLogError) -> Void = { _ in }
  ) {
    self.fileSystem = fileSystem
    self.time = time
    self.random = random
    self.producerIDExpiration = producerIDExpiration
    self.warn = warn
    timekeeper = Timekeeper(time: time)
    syncThreads = WorkerPool(threads: 4)
    populateThread = WorkerPool(threads: 1)
    self.diskBudget = diskBudget
    maintenanceThread = WorkerPool(threads: 1)
    deletedFiles = DeletedFiles(
      fileSystem: fileSystem, time: time, timekeeper: timekeeper, worker: maintenanceThread, budget: diskBudget,
      warn: warn)
    contents = SegmentContentsCache(limit: closedSegmentsKept)
    var limit = rlimit()
    let soft =
      getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 ? Int(clamping: limit.rlim_cur) : 1024
    // Half is left to the process, to SQLite and to files that are open for a moment.
    descriptorsLeft = Atomic(max(16, min(soft / 2, 4096)))
  }

  /// Ends the threads, after what they have to do. Not to be called from one of them.
  package func shutDown() {
    timekeeper.shutDown()
    maintenanceThread.shutDown()
    syncThreads.shutDown()
    populateThread.shutDown()
  }

  /// Has what is known of a producer kept for ever, however long it does not write.
  package func keepProducer(_ id: Int64) {
    keptProducers.withLock { _ = $0.insert(id) }
  }

  var producersKept: Set<Int64> { keptProducers.withLock { $0 } }

  /// How many stops of the store were unclean. Set before its logs are opened.
  package var uncleanStops: Int64 {
    get { uncleanStopCount.load(ordering: .relaxed) }
    set { uncleanStopCount.store(newValue, ordering: .relaxed) }
  }

  /// Whether a recovery is to sync so many bytes itself.
  func takesRecoverySync(_ bytes: Int64) -> Bool {
    recoverySyncsLeft.subtract(max(bytes, Self.smallestSync), ordering: .relaxed).newValue >= 0
  }

  /// Whether one more segment may keep its descriptor open. Others open theirs for each sync.
  func takeDescriptor() -> Bool {
    let (old, _) = descriptorsLeft.subtract(1, ordering: .relaxed)
    if old > 0 { return true }
    descriptorsLeft.add(1, ordering: .relaxed)
    return false
  }

  func returnDescriptor() {
    descriptorsLeft.add(1, ordering: .relaxed)
  }
}
