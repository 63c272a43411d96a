internal import MetadataStore
internal import RecordFormat
internal import SegmentStore

/// Checks a whole data directory: every checksum, every record, every index entry, offsets, and SQLite against the logs.
/// Changes nothing, and may run while the owner is at work.
public struct StoreVerifier: Sendable {
  /// Something that is wrong, and where.
  public struct Fault: Sendable, Hashable {
    public var file: String
    /// The byte position in `file`, where there is one.
    public var position: Int64?
    /// The offset concerned, where there is one.
    public var offset: Int64?
    public var message: String
  }

  /// What was looked at, and what was found.
  public struct Report: Sendable {
    public var partitions = 0
    public var segments = 0
    public var batches = 0
    public var records = 0
    public var indexEntries = 0
    public var sizeInBytes: Int64 = 0
    public var faults: [Fault] = []
    /// What is not as it should be, and does no harm: it is made anew from the log's batches by the next opening, or by the
    /// next append.
    public var notes: [Fault] = []
    public var isSound: Bool { faults.isEmpty }
  }

  public let path: String
  private let fileSystem: any FileSystem

  public init(path: String) {
    self.init(path: path, fileSystem: LocalFileSystem())
  }

  init(path: String, fileSystem: any FileSystem) {
    self.path = path.withoutTrailingSlash
    self.fileSystem = fileSystem
  }

  /// Checks everything. A fault does not end it.
  ///
  /// - Parameter progress: told how many bytes are done, and how many there are.
  /// - Throws: where the directory can't be looked into at all.
  public func run(progress: @escaping (_ done: Int64, _ total: Int64) -> Void = { _, _ in }) throws -> Report {
    try Self.requireDirectory(path, fileSystem)
    var report = Report()
    let names = try fileSystem.list(path).sorted()
    let partitions = names.filter { TopicName.parse(directory: $0) != nil }
    // Of a directory that can't be read, the check itself says so.
    let total = partitions.reduce(0) { $0 + ((try? Self.logBytes(path + "/" + $1, fileSystem)) ?? 0) }
    var logs: [String: Log] = [:]
    for name in partitions {
      var verifier = PartitionVerifier(directory: path + "/" + name, fileSystem: fileSystem)
      let done = report.sizeInBytes
      verifier.run { progress(done + $0, total) }
      report.add(verifier.report)
      logs[name] = Log(bounds: verifier.bounds, gaps: verifier.gaps)
    }
    try verifyMetadata(names, logs, &report)
    return report
  }

  /// What is known of a partition's log, to hold the metadata against.
  private struct Log {
    var bounds: (start: Int64, end: Int64)?
    var gaps: [SegmentGap]
  }

  static func requireDirectory(_ path: String, _ fileSystem: any FileSystem) throws(EventLogError) {
    guard let status = try fileSystem.status(path) else {
      throw EventLogError(.inputOutput, "there is no such directory", file: path)
    }
    // A link is followed here alone: whoever named it chose that.
    guard status.kind != .file else { throw EventLogError(.inputOutput, "this is a file, no directory", file: path) }
  }

  /// The bytes of a partition's log files, with the room that an owner at work has reserved: for a progress bar.
  static func logBytes(_ directory: String, _ fileSystem: any FileSystem) throws(EventLogError) -> Int64 {
    var sum: Int64 = 0
    for name in try fileSystem.list(directory) where name.hasSuffix(".log") {
      sum += try fileSystem.status(directory + "/" + name)?.size ?? 0
    }
    return sum
  }

  private func verifyMetadata(
    _ names: [String], _ logs: [String: Log], _ report: inout Report
  ) throws {
    let file = path + "/" + MetadataStore.fileName
    guard names.contains(MetadataStore.fileName) else {
      report.faults.append(Fault(file: file, message: "the metadata database is missing"))
      return
    }
    do throws(EventLogError) {
      let metadata = try MetadataStore(path: file, mode: .readOnly)
      defer { try? metadata.close() }
      for message in try metadata.verify() { report.faults.append(Fault(file: file, message: message)) }
      let topics = try metadata.topics().filter { !$0.isDeleting }
      report.faults += directoryFaults(topics, Array(logs.keys))
      let checkpoints = try metadata.checkpoints()
      let gaps = GapJudge(path: path, fileSystem: fileSystem)
      if var note = gaps.checkpointFault {
        note.message += "; the next compactions make it anew"
        report.notes.append(note)
      }
      var endOf: [PartitionID: (TopicPartition, Int64)] = [:]
      for topic in topics {
        for number in 0..<topic.partitions {
          let topicPartition = TopicPartition(topic.name, number)
          guard let log = logs[topicPartition.description] else { continue }
          let isCompacted = gaps.isCompacted(topicPartition, topic.configs)
          if !isCompacted { report.faults += gaps.faults(log.gaps) }
          if let note = try gaps.note(log.gaps, isCompacted: isCompacted) { report.notes.append(note) }
          guard let bounds = log.bounds else { continue }
          let id = PartitionID(topic.id, number)
          endOf[id] = (topicPartition, bounds.end)
          if let lost = checkpoints[id]?.lostBegin(bounds.start) {
            report.faults.append(
              Fault(
                file: path + "/" + topicPartition.description, offset: lost.lowerBound,
                message: StoredCheckpoint.message(ofLostBegin: lost)))
          }
        }
      }
      for (partition, checkpoint) in checkpoints {
        guard let (topicPartition, end) = endOf[partition], checkpoint.recoveryPoint > end else { continue }
        report.faults.append(
          Fault(
            file: path + "/" + topicPartition.description, offset: checkpoint.recoveryPoint,
            message: "the log ends at \(end), but was on the disk up to \(checkpoint.recoveryPoint)"))
      }
      for found in OffsetBeyondEnd.find(try metadata.committedOffsets(), endOf) {
        report.faults.append(Fault(file: file, offset: found.offset.offset, message: found.message))
      }
    } catch {
      report.faults.append(Fault(file: error.file ?? file, message: error.message))
    }
  }

  /// What is wrong with which directories there are.
  ///
  /// - Parameter names: of the directories that look like partitions'.
  func directoryFaults(_ topics: [TopicMetadata], _ names: [String]) -> [Fault] {
    var faults: [Fault] = []
    var known: Set<String> = []
    for topic in topics {
      for number in 0..<topic.partitions {
        let name = "\(topic.name)-\(number)"
        known.insert(name)
        if !names.contains(name) {
          faults.append(Fault(file: path + "/" + name, message: "the partition's directory is missing"))
        } else if let id = topicID(path + "/" + name), id != topic.id.text {
          faults.append(
            Fault(
              file: path + "/" + name + "/" + PartitionMetadataFile.name,
              message: "the directory belongs to topic id \(id), SQLite says \(topic.id.text); if only this file is "
                + "damaged, remove it: the next opening makes it anew"))
        }
      }
    }
    for name in names.sorted() where !known.contains(name) {
      faults.append(Fault(file: path + "/" + name, message: "no topic owns this directory"))
    }
    return faults
  }

  private func topicID(_ directory: String) -> String? {
    guard let bytes = try? fileSystem.contents(of: directory + "/" + PartitionMetadataFile.name, limit: 4096)
    else {
      return nil
    }
    return try? PartitionMetadataFile(text: String(decoding: bytes, as: UTF8.self)).topicID
  }
}

extension StoreVerifier.Report {
  mutating func add(_ other: Self) {
    partitions += other.partitions
    segments += other.segments
    batches += other.batches
    records += other.records
    indexEntries += other.indexEntries
    sizeInBytes += other.sizeInBytes
    faults += other.faults
    notes += other.notes
  }
}
