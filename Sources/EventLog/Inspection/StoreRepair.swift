internal import MetadataStore
internal import RecordFormat
package import SegmentStore

/// Repairs a data directory that nobody has open: what `StoreVerifier` finds, as far as there is a safe answer to it.
///
/// Nothing that is right is thrown away, nothing that is damaged is returned, and nothing goes without being told.
///
/// - Indexes that are missing, damaged, or say something else than the log are made anew from it. Damaged `.snapshot` files
///   go, and what a crash left is treated as an opening treats it.
/// - A damaged batch is taken out of its segment; the offsets of all others stay, and readers pass over the gap, as they do
///   after a compaction. Its bytes are saved before, in a file called
///   `<topic>-<partition>.<segment>-<position>.quarantine` in the data directory.
/// - A log that lost its end goes on where it had ended, so that no offset is given out a second time. One that lost its
///   beginning, or a segment in the middle, begins later, or has a gap. Where compaction may have left a gap, that is a note.
/// - Segments that overlap, batches out of order, topics without a directory and a damaged `metadata.sqlite` are told of, and
///   left as they are: restore them from a backup.
///
/// It can be broken off at any moment, and run again.
///
/// ```swift
/// let report = try StoreRepair(path: "/var/lib/orders/events").run(dryRun: true)
/// for finding in report.findings { print(finding) }
/// ```
public struct StoreRepair: Sendable {
  /// Records that are gone.
  public struct Loss: Sendable, Hashable {
    /// The partition.
    public var topicPartition: TopicPartition
    /// The offsets of which nothing is left.
    public var offsets: Range<Int64>
    /// How many records they held; nil where that can't be told.
    public var records: Int?
    /// How many bytes were damaged; 0 where there are none.
    public var bytes: Int64
    /// The file that the damaged bytes were saved in, or would be; nil where there is nothing but zeros.
    public var quarantine: String?
  }

  /// Something that is wrong, and what was done about it.
  public struct Finding: Sendable, Hashable {
    /// The file or directory.
    public var file: String
    /// The byte position in `file`, where there is one.
    public var position: Int64?
    /// The offset concerned, where there is one.
    public var offset: Int64?
    /// What is wrong.
    public var message: String
    /// What was done about it, or would be, as a participle ("made anew from the log"); nil where nothing can be done here.
    public var remedy: String?
    /// What it costs; nil where no record is lost.
    public var loss: Loss?
  }

  /// What was found.
  public struct Report: Sendable {
    /// How many partitions were looked at.
    public var partitions = 0
    /// What is wrong, or was.
    public var findings: [Finding] = []
    /// What may be wrong: gaps between segments that a compaction may have left, of logs of which is not known whether they
    /// were ever compacted.
    public var notes: [StoreVerifier.Fault] = []
    /// Whether nothing was changed.
    public var isDryRun: Bool
    /// Whether nothing was lost and nothing is left that is wrong.
    public var isWhole: Bool { findings.allSatisfy { $0.remedy != nil && $0.loss == nil } }
    /// How many faults are left.
    public var notRepaired: Int { findings.count { $0.remedy == nil } }
    /// What was lost.
    public var losses: [Loss] { findings.compactMap(\.loss) }
  }

  /// The data directory.
  public let path: String
  let fileSystem: any FileSystem

  public init(path: String) {
    self.init(path: path, fileSystem: LocalFileSystem())
  }

  package init(path: String, fileSystem: any FileSystem) {
    self.path = path.withoutTrailingSlash
    self.fileSystem = fileSystem
  }

  /// Repairs everything that can be. A partition that can't be does not keep the others from it.
  ///
  /// - Parameters:
  ///   - dryRun: whether to say only what would be done. Of a partition in which a compaction was broken off at its last
  ///     step, that is no more than that this would be finished first.
  ///   - progress: told how many bytes were looked at, and how many there are.
  /// - Throws: `directoryLocked` where a broker is at work in it; `metadataError` where it is no store, or its database is
  ///   damaged; `inputOutput` where the directory can't be read or written.
  public func run(
    dryRun: Bool = false, progress: @escaping (_ done: Int64, _ total: Int64) -> Void = { _, _ in }
  ) throws -> Report {
    try StoreVerifier.requireDirectory(path, fileSystem)
    let file = path + "/" + MetadataStore.fileName
    guard let status = try fileSystem.status(file), status.kind == .file, status.size > 0 else {
      throw EventLogError(
        .metadataError,
        "this is no data directory: it has no \(MetadataStore.fileName). If there are logs here, restore it from a backup, "
          + "or import the partition directories into a new store", file: file)
    }
    let lock = try takeLock(dryRun: dryRun)
    defer { lock?.release() }
    let context = StoreContext(fileSystem: fileSystem)
    defer { context.shutDown() }
    let metadata = try MetadataStore(path: file, mode: dryRun ? .readOnly : .readWrite)
    do throws(EventLogError) {
      // What is done to the logs goes by what it says.
      if let message = try metadata.verify().first {
        throw EventLogError(
          .metadataError,
          "the metadata database is damaged: \(message); it can't be repaired here, and nothing was changed. Restore it "
            + "from a backup", file: file)
      }
      var work = StoreRepairWork(
        path: path, context: context, metadata: metadata, isDryRun: dryRun, progress: progress)
      try work.run()
      try metadata.close()
      return work.report
    } catch {
      try? metadata.close()
      throw error
    }
  }

  private func takeLock(dryRun: Bool) throws(EventLogError) -> DirectoryLock? {
    do throws(EventLogError) {
      return try DirectoryLock(directory: path, fileSystem)
    } catch {
      // Who may not write here may look all the same.
      guard dryRun, error.code == .inputOutput else { throw error }
      return nil
    }
  }
}

extension StoreRepair.Finding: CustomStringConvertible {
  public var description: String {
    var text = file + (position.map { " at \($0)" } ?? "") + ": " + message
    if let remedy { text += "; " + remedy }
    return text
  }
}
