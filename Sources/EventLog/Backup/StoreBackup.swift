internal import MetadataStore
internal import RecordFormat
internal import SegmentStore

/// Copies a data directory to another one that can be opened as a store of its own, also while the owner, in this process
/// or another, goes on with its work.
///
/// The metadata are those of one moment; the logs are copied after it, so that nothing in the copy points past what its
/// logs hold. Closed segments become second names of the same files where both directories are on one file system: they
/// never change, so that the copy keeps them when the store compacts or deletes its own.
///
/// Partitions are copied one after the other: of a transaction that commits at that moment the copy may have some
/// partitions only. Where transactions are at work, have them wait, or close the store first.
///
/// ```swift
/// let report = try StoreBackup(from: "/var/lib/orders/events", to: "/backup/events-2026-11-24").run()
/// ```
public struct StoreBackup: Sendable {
  /// What was copied.
  public struct Report: Sendable, Hashable {
    public var topics = 0
    public var partitions = 0
    public var segments = 0
    /// Bytes of the segments that are the same files in both directories.
    public var linkedBytes: Int64 = 0
    /// Bytes of the segments that were copied.
    public var copiedBytes: Int64 = 0
  }

  /// The store.
  public let source: String
  /// Where the copy goes: a directory that is empty or not there.
  public let target: String
  /// Whether closed segments may be the same files in both. Without, the copy shares nothing with the store, but for
  /// blocks of a file system that copies them only when they are written to.
  ///
  /// A segment that is shared is never changed: a store that has to cut it, or to append to it, makes a file of its own.
  public var usesHardLinks: Bool

  /// - Parameter usesHardLinks: true if not said.
  public init(from source: String, to target: String, usesHardLinks: Bool = true) {
    self.source = source.withoutTrailingSlash
    self.target = target.withoutTrailingSlash
    self.usesHardLinks = usesHardLinks
  }

  /// Copies. A copy that was not finished has no metadata database, and so is refused where somebody opens it.
  ///
  /// - Parameter progress: told how many bytes are done, and about how many there are.
  /// - Throws: `invalidRequest` where the target is not empty; `metadataError` where the source is no store; `diskFull`,
  ///   `inputOutput`. What was copied up to then is removed, so that it can be tried again.
  public func run(progress: @escaping (_ done: Int64, _ total: Int64) -> Void = { _, _ in }) throws -> Report {
    let fileSystem = LocalFileSystem()
    guard try fileSystem.status(source + "/" + MetadataStore.fileName) != nil else {
      throw EventLogError(
        .metadataError, "this is no data directory: it has no \(MetadataStore.fileName)", file: source)
    }
    let isNew = try makeTarget(fileSystem)
    do {
      return try copy(fileSystem, progress)
    } catch {
      try? clearTarget(isNew, fileSystem)
      throw error
    }
  }

  private func copy(
    _ fileSystem: LocalFileSystem, _ progress: @escaping (_ done: Int64, _ total: Int64) -> Void
  ) throws -> Report {
    let unfinished = target + "/" + MetadataStore.fileName + ".unfinished"
    // For its owner alone, which SQLite would not see to.
    fileSystem.close(try fileSystem.open(unfinished, .create))
    let (topics, checkpoints) = try snapshot(to: unfinished)
    let total = topics.reduce(0) { $0 + size(of: $1, fileSystem) }
    var report = Report()
    var done: Int64 = 0
    for topic in topics {
      for number in 0..<topic.partitions {
        let name = TopicPartition(topic.name, number).description
        let checkpoint = checkpoints[PartitionID(topic.id, number)]
        let backup = PartitionBackup(
          from: source + "/" + name, to: target + "/" + name, mayLink: usesHardLinks,
          durableOffset: max(checkpoint?.recoveryPoint ?? 0, checkpoint?.logEndOffset ?? 0), fileSystem: fileSystem
        ) { bytes in
          done += bytes
          progress(done, max(done, total))
        }
        do throws(EventLogError) {
          let summary = try backup.run()
          report.partitions += 1
          report.segments += summary.segments
          report.linkedBytes += summary.linkedBytes
          report.copiedBytes += summary.copiedBytes
        } catch {
          throw error.at(TopicPartition(topic.name, number))
        }
      }
      report.topics += 1
    }
    try moveLogStarts(topics, unfinished, fileSystem)
    try finish(unfinished, fileSystem)
    return report
  }

  /// - Returns: whether it was not there.
  private func makeTarget(_ fileSystem: LocalFileSystem) throws(EventLogError) -> Bool {
    guard let status = try fileSystem.status(target) else {
      try fileSystem.makeDirectory(target)
      return true
    }
    guard status.kind == .directory, try fileSystem.list(target).isEmpty else {
      throw EventLogError(.invalidRequest, "the target has to be a directory that is empty or not there", file: target)
    }
    return false
  }

  /// The target was empty: all that is there is of this copy.
  private func clearTarget(_ isNew: Bool, _ fileSystem: LocalFileSystem) throws(EventLogError) {
    for name in try fileSystem.list(target) {
      let path = target + "/" + name
      if try fileSystem.status(path)?.kind == .directory {
        try fileSystem.removeTree(path)
      } else {
        try fileSystem.unlink(path)
      }
    }
    if isNew { try fileSystem.removeDirectory(target) }
  }

  /// The metadata of one moment, and the topics in them, with how far their logs were on the disk.
  private func snapshot(
    to path: String
  ) throws(EventLogError) -> ([TopicMetadata], [PartitionID: StoredCheckpoint]) {
    let metadata = try MetadataStore(path: source + "/" + MetadataStore.fileName, mode: .readOnly)
    do throws(EventLogError) {
      try metadata.snapshot(to: path)
      try metadata.close()
    } catch {
      try? metadata.close()
      throw error
    }
    let copy = try MetadataStore(path: path)
    // Whatever the store was, the copy's logs were cut where they happened to end: it opens as after a crash.
    _ = try copy.beginSession()
    let topics = try copy.topics()
    let checkpoints = try copy.checkpoints()
    try copy.close()
    return (topics.filter { !$0.isDeleting }, checkpoints)
  }

  /// What the owner deleted between the metadata's moment and the copy of a log was no loss: the copy has to know of it.
  private func moveLogStarts(
    _ topics: [TopicMetadata], _ path: String, _ fileSystem: LocalFileSystem
  ) throws(EventLogError) {
    let now = try MetadataStore(path: source + "/" + MetadataStore.fileName, mode: .readOnly)
    let starts: [PartitionID: StoredCheckpoint]
    do throws(EventLogError) {
      starts = try now.checkpoints()
      try now.close()
    } catch {
      try? now.close()
      throw error
    }
    let copy = try MetadataStore(path: path)
    do throws(EventLogError) {
      var moved = try copy.checkpoints().filter { $0.value.logStartOffset < starts[$0.key]?.logStartOffset ?? 0 }
      for topic in topics {
        for number in 0..<topic.partitions {
          let id = PartitionID(topic.id, number)
          guard let checkpoint = moved[id] else { continue }
          let names = try fileSystem.list(target + "/" + TopicPartition(topic.name, number).description)
          let first = names.compactMap(SegmentFiles.parse).filter { $0.kind == .log }.map(\.baseOffset).min()
          // No further than where the copy begins: its end may lie below what was deleted after it.
          moved[id]?.logStartOffset = max(
            checkpoint.logStartOffset, min(first ?? 0, starts[id]?.logStartOffset ?? 0))
        }
      }
      if !moved.isEmpty { try copy.save(moved) }
      try copy.close()
    } catch {
      try? copy.close()
      throw error
    }
  }

  private func size(of topic: TopicMetadata, _ fileSystem: LocalFileSystem) -> Int64 {
    (0..<topic.partitions).reduce(0) { sum, number in
      let directory = source + "/" + TopicPartition(topic.name, number).description
      return sum + ((try? StoreVerifier.logBytes(directory, fileSystem)) ?? 0)
    }
  }

  /// The last step, which makes a store of the copy.
  private func finish(_ unfinished: String, _ fileSystem: LocalFileSystem) throws(EventLogError) {
    let file = try fileSystem.open(unfinished, .readWrite)
    defer { fileSystem.close(file) }
    try fileSystem.syncData(file, path: unfinished)
    try fileSystem.syncDirectory(target)
    try fileSystem.rename(unfinished, to: target + "/" + MetadataStore.fileName)
    try fileSystem.syncDirectory(target)
  }
}
