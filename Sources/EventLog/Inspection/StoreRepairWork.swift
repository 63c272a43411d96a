internal import MetadataStore
internal import RecordFormat
internal import SegmentStore

/// One run of a repair, with the store locked.
struct StoreRepairWork {
  let path: String
  let context: StoreContext
  let metadata: MetadataStore
  let isDryRun: Bool
  let progress: (Int64, Int64) -> Void
  private(set) var report: StoreRepair.Report
  /// Where the logs end once they are repaired.
  private var ends: [PartitionID: (TopicPartition, Int64)] = [:]
  private var done: Int64 = 0
  private var total: Int64 = 0
  private let gaps: GapJudge
  private var fileSystem: any FileSystem { context.fileSystem }

  init(
    path: String, context: StoreContext, metadata: MetadataStore, isDryRun: Bool,
    progress: @escaping (Int64, Int64) -> Void
  ) {
    self.path = path
    self.context = context
    self.metadata = metadata
    self.isDryRun = isDryRun
    self.progress = progress
    report = StoreRepair.Report(isDryRun: isDryRun)
    gaps = GapJudge(path: path, fileSystem: context.fileSystem)
  }

  mutating func run() throws(EventLogError) {
    try clearLeftovers()
    if let fault = gaps.checkpointFault {
      report.findings.append(
        StoreRepair.Finding(
          file: fault.file, message: fault.message, remedy: "removed; the next compactions make it anew"))
      if !isDryRun { try fileSystem.unlink(fault.file) }
    }
    let topics = try metadata.topics().filter { !$0.isDeleting }
    let names = try fileSystem.list(path).filter { TopicName.parse(directory: $0) != nil }
    total = names.reduce(0) { $0 + ((try? StoreVerifier.logBytes(path + "/" + $1, fileSystem)) ?? 0) }
    for fault in StoreVerifier(path: path, fileSystem: fileSystem).directoryFaults(topics, names) { add(fault) }
    let checkpoints = try metadata.checkpoints()
    let wasClean = try metadata.lastStopWasClean()
    let present = Set(names)
    var owned: Set<String> = []
    for topic in topics {
      let configuration = TopicConfigs.logConfiguration(topic.configs, defaults: [:])
      for number in 0..<topic.partitions {
        let topicPartition = TopicPartition(topic.name, number)
        guard present.contains(topicPartition.description) else { continue }
        owned.insert(topicPartition.description)
        let id = PartitionID(topic.id, number)
        let stored = checkpoints[id] ?? StoredCheckpoint(logStartOffset: 0, recoveryPoint: 0)
        let isCompacted = gaps.isCompacted(topicPartition, topic.configs)
        try repair(topicPartition, id, stored, configuration, wasClean: wasClean, isCompacted: isCompacted)
      }
    }
    // Whose they are is not known, and so neither is what they should hold.
    for name in names where !owned.contains(name) {
      for fault in verify(path + "/" + name).report.faults { add(fault) }
    }
    try bringBackOffsets()
  }

  private mutating func add(_ fault: StoreVerifier.Fault) {
    report.findings.append(
      StoreRepair.Finding(
        file: fault.file, position: fault.position, offset: fault.offset, message: fault.message))
  }

  /// What a crash left in the middle of an import or of the deletion of a topic.
  private mutating func clearLeftovers() throws(EventLogError) {
    let opening = BrokerOpening(path: path, configuration: .init(), context: context, metadataDurability: .full)
    let names = try fileSystem.list(path)
    for name in names.sorted() where BrokerOpening.isLeftover(name) {
      guard try fileSystem.status(path + "/" + name)?.kind == .directory else { continue }
      report.findings.append(
        StoreRepair.Finding(
          file: path + "/" + name, message: "what a crash left in the middle of an import or a deletion",
          remedy: "removed"))
    }
    if !isDryRun { try opening.clearLeftovers(names) }
    for topic in try metadata.topics() where topic.isDeleting {
      report.findings.append(
        StoreRepair.Finding(
          file: path, message: "the deletion of topic \(topic.name) was not finished", remedy: "finished"))
      if !isDryRun { try Broker.finishDeletion(topic, in: opening.path, context.fileSystem, metadata) }
    }
  }

  private func verify(
    _ directory: String, removed: [OrphanIndex] = [], progress: (Int64) -> Void = { _ in }
  ) -> PartitionVerifier {
    var verifier = PartitionVerifier(directory: directory, fileSystem: fileSystem, removed: removed)
    verifier.run(progress: progress)
    return verifier
  }

  // MARK: A partition

  private mutating func repair(
    _ topicPartition: TopicPartition, _ id: PartitionID, _ stored: StoredCheckpoint, _ configuration: LogConfiguration,
    wasClean: Bool, isCompacted: Bool
  ) throws(EventLogError) {
    report.partitions += 1
    let directory = path + "/" + topicPartition.description
    guard try fileSystem.status(directory)?.kind == .directory else {
      for fault in verify(directory).report.faults { add(fault) }
      return
    }
    var stored = stored
    var work = partitionRepair(directory, stored, configuration, wasClean: wasClean, isCompacted: isCompacted)
    do throws(EventLogError) {
      let isClear = try work.clearLeftovers()
      let before = done
      let check = verify(directory, removed: work.orphans) { progress(before + $0, total) }
      done += check.report.sizeInBytes
      guard isClear else { return add(work.findings, topicPartition) }
      if let lost = check.bounds.flatMap({ stored.lostBegin($0.start) }) {
        try moveLogStart(past: lost, topicPartition, id, &stored)
      }
      var end = check.bounds?.end
      // No checksum covers the last batch's offset: where the log was closed in order, it is known.
      let endsElsewhere =
        end.map {
          $0 < max(stored.recoveryPoint, stored.logEndOffset ?? 0) || (wasClean && $0 != stored.logEndOffset ?? $0)
        } ?? false
      let hasFaults = !check.report.faults.isEmpty
      let lacksIndexes = try work.lacksIndexes()
      if hasFaults || !check.report.notes.isEmpty || endsElsewhere || lacksIndexes || !work.orphans.isEmpty {
        try run(&work, check.report, id, &stored)
        if check.bounds != nil, check.report.segments == 0, work.logEndOffset > stored.logStartOffset {
          // It goes on, empty, where it had ended.
          stored.logStartOffset = work.logEndOffset
          if !isDryRun { try metadata.save([id: stored]) }
        }
        var left = isDryRun ? StoreVerifier.Report() : verify(directory).report
        if (left.faults + left.notes).contains(where: { $0.file.hasSuffix("index") }) {
          // What an index says may have been right of the log as it was.
          add(work.findings, topicPartition)
          work = partitionRepair(directory, stored, configuration, wasClean: wasClean, isCompacted: isCompacted)
          try run(&work, left, id, &stored)
          left = verify(directory).report
        }
        add(work.findings, topicPartition)
        let told = Set(work.findings.filter { $0.remedy == nil }.map(\.file))
        for fault in left.faults where !told.contains(fault.file) { add(fault) }
        end = work.logEndOffset
      } else {
        add(work.findings, topicPartition)
      }
      try noteGaps(check.gaps, topicPartition, isCompacted: isCompacted)
      if let end { ends[id] = (topicPartition, end) }
    } catch {
      add(work.findings, topicPartition)
      add(
        StoreVerifier.Fault(
          file: error.file ?? directory, position: error.position, offset: error.offset,
          message: "the partition could not be repaired: \(error.message)"))
    }
  }

  /// Without that, it would be said again each time.
  private mutating func moveLogStart(
    past lost: Range<Int64>, _ topicPartition: TopicPartition, _ id: PartitionID, _ stored: inout StoredCheckpoint
  ) throws(EventLogError) {
    report.findings.append(
      StoreRepair.Finding(
        file: path + "/" + topicPartition.description, offset: lost.lowerBound,
        message: StoredCheckpoint.message(ofLostBegin: lost), remedy: "the log start moved to \(lost.upperBound)",
        loss: StoreRepair.Loss(
          topicPartition: topicPartition, offsets: lost, records: nil, bytes: 0, quarantine: nil)))
    stored.logStartOffset = lost.upperBound
    if !isDryRun { try metadata.save([id: stored]) }
  }

  /// Gaps that nothing explains, but for those of which is told that they are a loss.
  private mutating func noteGaps(
    _ found: [SegmentGap], _ topicPartition: TopicPartition, isCompacted: Bool
  ) throws(EventLogError) {
    let losses = report.losses.filter { $0.topicPartition == topicPartition }
    let untold = found.filter { gap in !losses.contains { $0.offsets.overlaps(gap.offsets) } }
    if let note = try gaps.note(untold, isCompacted: isCompacted) { report.notes.append(note) }
  }

  private func partitionRepair(
    _ directory: String, _ stored: StoredCheckpoint, _ configuration: LogConfiguration, wasClean: Bool,
    isCompacted: Bool
  ) -> PartitionRepair {
    PartitionRepair(
      directory: directory, configuration: configuration, checkpoint: stored.forLog, wasClean: wasClean,
      isCompacted: isCompacted, isDryRun: isDryRun, context: context)
  }

  private func run(
    _ work: inout PartitionRepair, _ check: StoreVerifier.Report, _ id: PartitionID, _ stored: inout StoredCheckpoint
  ) throws(EventLogError) {
    var moved = stored
    try work.run(Self.faults(check)) { point throws(EventLogError) in
      moved.recoveryPoint = point
      try metadata.save([id: moved])
    }
    stored = moved
  }

  private mutating func add(_ findings: [PartitionRepair.Finding], _ topicPartition: TopicPartition) {
    for finding in findings {
      report.findings.append(
        StoreRepair.Finding(
          file: finding.file, position: finding.position, offset: finding.offset, message: finding.message,
          remedy: finding.remedy,
          loss: finding.loss.map {
            StoreRepair.Loss(
              topicPartition: topicPartition, offsets: $0.offsets, records: $0.records, bytes: $0.bytes,
              quarantine: $0.quarantine)
          }))
    }
  }

  private static func faults(_ report: StoreVerifier.Report) -> PartitionRepair.Faults {
    var faults = PartitionRepair.Faults(indexes: [:], snapshots: [:])
    for fault in report.faults where fault.file.hasSuffix("index") {
      if faults.indexes[fault.file] == nil { faults.indexes[fault.file] = fault.message }
    }
    for note in report.notes {
      if note.file.hasSuffix(".snapshot") { faults.snapshots[note.file] = note.message }
      // One that goes beyond the log's end, which nobody is at work on, or that waits for who needs it.
      if note.file.hasSuffix("index"), faults.indexes[note.file] == nil { faults.indexes[note.file] = note.message }
    }
    return faults
  }

  // MARK: Committed offsets

  private mutating func bringBackOffsets() throws(EventLogError) {
    for found in OffsetBeyondEnd.find(try metadata.committedOffsets(), ends) {
      report.findings.append(
        StoreRepair.Finding(
          file: metadata.path, offset: found.offset.offset, message: found.message,
          remedy: "brought back to \(found.end)"))
      if !isDryRun { try found.bringBack(metadata) }
    }
  }
}
