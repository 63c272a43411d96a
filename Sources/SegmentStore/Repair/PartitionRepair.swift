package import RecordFormat

/// Repairs the files of one partition that nobody has open.
///
/// Nothing that is right is thrown away, and nothing that is damaged is thrown away without being saved first. Each step
/// can be broken off, and done again: the damaged bytes are saved; what is right is made durable, and the recovery point is
/// moved behind it, so that an opening does not cut what lies behind a hole; the segments are made anew; the log is made to
/// end where it had ended; the indexes are made anew.
package struct PartitionRepair {
  /// Something that is wrong, what is done about it, and what it costs.
  package struct Finding: Sendable {
    package var file: String
    package var position: Int64?
    package var offset: Int64?
    package var message: String
    /// What is done about it, as a participle: "made anew". Nil where nothing can be.
    package var remedy: String?
    package var loss: Loss?
  }

  package struct Loss: Sendable {
    package var offsets: Range<Int64>
    /// Nil where that is not known.
    package var records: Int?
    package var bytes: Int64
    package var quarantine: String?
  }

  /// What a check of the partition found, by file.
  package struct Faults: Sendable {
    /// Of `.index`, `.timeindex` and `.txnindex` files: the first fault of each.
    package var indexes: [String: String]
    /// Of `.snapshot` files.
    package var snapshots: [String: String]

    package init(indexes: [String: String], snapshots: [String: String]) {
      self.indexes = indexes
      self.snapshots = snapshots
    }
  }

  let context: StoreContext
  let directory: String
  let configuration: LogConfiguration
  let checkpoint: PartitionCheckpoint
  let wasClean: Bool
  /// Whether the log is compacted, or is known to have been.
  let isCompacted: Bool
  let isDryRun: Bool
  package internal(set) var findings: [Finding] = []
  /// Where the log ends, or would end, once it is repaired.
  package private(set) var logEndOffset: Int64 = 0
  /// What `clearLeftovers` found of them.
  package private(set) var orphans: [OrphanIndex] = []
  var fileSystem: any FileSystem { context.fileSystem }
  /// Up to where the log is known to have been on the disk: its offsets up to there are not given out again.
  var known: Int64 { max(checkpoint.recoveryPoint, checkpoint.logEndOffset ?? 0) }
  /// What an opening does is done here in the same way.
  private var loader: LogLoader {
    LogLoader(
      context: context, directory: directory, checkpoint: checkpoint, configuration: configuration, wasClean: wasClean)
  }
  private var indexes: IndexRepair {
    IndexRepair(fileSystem: fileSystem, directory: directory, interval: configuration.indexIntervalBytes)
  }

  /// - Parameters:
  ///   - wasClean: whether the partition was closed in order.
  ///   - isCompacted: whether the log is compacted, or is known to have been.
  ///   - isDryRun: whether to find out only what would be done.
  package init(
    directory: String, configuration: LogConfiguration, checkpoint: PartitionCheckpoint, wasClean: Bool,
    isCompacted: Bool, isDryRun: Bool, context: StoreContext
  ) {
    self.directory = directory
    self.configuration = configuration
    self.checkpoint = checkpoint
    self.wasClean = wasClean && checkpoint.logEndOffset != nil
    self.isCompacted = isCompacted
    self.isDryRun = isDryRun
    self.context = context
  }

  // MARK: What a crash left

  /// Finishes or undoes what a crash left in the middle of a deletion or of a swap, as an opening does.
  ///
  /// - Returns: false in a dry run that can't look behind the swap that is to be finished first.
  package mutating func clearLeftovers() throws(EventLogError) -> Bool {
    let names = try fileSystem.list(directory).sorted()
    orphans = OrphanIndex.find(names, in: directory)
    var isSwapping = false
    var found = !orphans.isEmpty
    for orphan in orphans { note(orphan.path, OrphanIndex.message, "removed") }
    for name in names {
      let path = directory + "/" + name
      if SegmentFiles.isSwap(name) {
        isSwapping = true
        note(path, "a compacted segment was about to take its place", "put in, or undone, as an opening does")
      } else if [".tmp", SegmentFiles.deletedSuffix, SegmentFiles.cleanedSuffix].contains(where: name.hasSuffix) {
        note(path, "a file that a crash left", "removed")
      } else {
        continue
      }
      found = true
    }
    guard found else { return true }
    if isDryRun { return !isSwapping }
    _ = try loader.segmentsAfterCleaning()
    try fileSystem.syncDirectory(directory)
    return true
  }

  mutating func note(_ file: String, _ message: String, _ remedy: String?) {
    findings.append(Finding(file: file, message: message, remedy: remedy))
  }

  // MARK: The segments

  /// Whether an index is missing that a closed segment has: none that a reader could not make anew, but at a cost.
  package func lacksIndexes() throws(EventLogError) -> Bool {
    let bases = try segments()
    for (number, base) in bases.enumerated() where wasClean || number < bases.count - 1 {
      let files = SegmentFiles(directory: directory, baseOffset: base)
      guard try fileSystem.status(files.log)?.size ?? 0 > 0 else { continue }
      for path in [files.offsetIndex, files.timeIndex] where try fileSystem.status(path) == nil { return true }
    }
    return false
  }

  /// - Parameters:
  ///   - faults: what a check found in the files beside the logs.
  ///   - saveRecoveryPoint: writes down, durably, that everything below an offset is on the disk.
  package mutating func run(
    _ faults: Faults, saveRecoveryPoint: (Int64) throws(EventLogError) -> Void
  ) throws(EventLogError) {
    let bases = try segments()
    for path in faults.snapshots.keys.sorted() {
      note(path, faults.snapshots[path] ?? "", "removed; the next opening makes it anew from the log")
      if !isDryRun { try fileSystem.unlink(path) }
    }
    logEndOffset = known
    guard let last = bases.last else {
      if known > checkpoint.logStartOffset { try endLog(at: known, lost: checkpoint.logStartOffset..<known) }
      return
    }
    let surveys = try survey(bases)
    for survey in surveys {
      for unreadable in survey.unreadable {
        findings.append(
          Finding(
            file: survey.files.log, position: unreadable.position, offset: unreadable.offset, message: unreadable.reason
          ))
      }
      if let blocker = survey.blocker {
        findings.append(
          Finding(
            file: survey.files.log, position: blocker.position, offset: blocker.offset,
            message: blocker.reason + "; the segment was left as it is: restore it from a backup"))
      }
    }
    var saved: [String: String] = [:]
    let damaged = surveys.filter(\.needsRewrite)
    if !damaged.isEmpty {
      saved = try quarantine(damaged)
      let end = surveys.map(\.end).max() ?? last
      if !isDryRun {
        if end > checkpoint.recoveryPoint {
          try makeDurable(surveys)
          try saveRecoveryPoint(end)
        }
        for survey in damaged { try SegmentRewriter(fileSystem: fileSystem).rewrite(survey) }
      }
      for survey in damaged { for damage in survey.damages { report(damage, of: survey, saved) } }
    }
    try reportGaps(surveys)
    logEndOffset = max(known, surveys.map(\.end).max() ?? last)
    var isEndMissing = false
    if let survey = surveys.last, survey.blocker == nil, survey.end < known {
      isEndMissing = true
      let isReported = survey.damages.last.map { $0.offsets.upperBound >= known } ?? false
      try endLog(at: known, lost: isReported ? nil : survey.end..<known)
    }
    try repairIndexes(faults, surveys, isEndMissing: isEndMissing)
  }

  private func segments() throws(EventLogError) -> [Int64] {
    try fileSystem.list(directory).compactMap { SegmentFiles.parse($0) }.filter { $0.kind == .log }.map(\.baseOffset)
      .sorted()
  }

  private func survey(_ bases: [Int64]) throws(EventLogError) -> [SegmentSurvey] {
    var surveys: [SegmentSurvey] = []
    var transactions = OpenTransactions()
    if let first = bases.first, let snapshot = indexes.snapshot(at: first) { transactions.restore(snapshot) }
    for (number, base) in bases.enumerated() {
      let files = SegmentFiles(directory: directory, baseOffset: base)
      let isLast = number == bases.count - 1
      let end = wasClean ? checkpoint.logEndOffset : nil
      let bound = isLast ? end.map { $0 >= base ? $0 : .max } ?? .max : bases[number + 1]
      let entries = try transactionIndex(files)
      let surveyor = SegmentSurveyor(
        fileSystem: fileSystem, files: files, bound: bound, isLast: isLast, known: known, aborted: entries ?? [],
        snapshotAtEnd: entries == nil || bound == .max ? nil : indexes.snapshot(at: bound))
      surveys.append(try surveyor.survey(&transactions))
    }
    return surveys
  }

  /// Nil where the file is damaged.
  private func transactionIndex(_ files: SegmentFiles) throws(EventLogError) -> [AbortedTransaction]? {
    guard let bytes = try fileSystem.contentsIfPresent(of: files.transactionIndex) else { return [] }
    return ProducerFiles.aborted(bytes)
  }

  /// Saves everything that is to be taken out; by place, the files it is in.
  private func quarantine(_ surveys: [SegmentSurvey]) throws(EventLogError) -> [String: String] {
    var saved: [String: String] = [:]
    for survey in surveys {
      for damage in survey.damages where damage.restored == nil && !damage.isZero {
        let place = Self.place(damage, survey)
        saved[place] =
          isDryRun
          ? QuarantineFile.name(damage.range, of: survey.files)
          : try QuarantineFile.save(damage.range, of: survey.files, fileSystem)
      }
    }
    if !saved.isEmpty, !isDryRun, let slash = directory.lastIndex(of: "/") {
      try fileSystem.syncDirectory(String(directory[..<slash]))
    }
    return saved
  }

  private static func place(_ damage: SegmentSurvey.Damage, _ survey: SegmentSurvey) -> String {
    "\(survey.files.baseOffset) \(damage.range.lowerBound)"
  }

  /// Syncs what was written since the recovery point, before it is said to be on the disk. After a failed sync the pages in
  /// memory can't be trusted to be on the disk, whatever a further sync says: then it is all written anew.
  private func makeDurable(_ surveys: [SegmentSurvey]) throws(EventLogError) {
    let mark = SyncFailureMark(directory: directory)
    let mayHaveLostPages = try fileSystem.status(mark.path) != nil
    for survey in surveys where survey.end > checkpoint.recoveryPoint {
      if mayHaveLostPages, survey.blocker == nil {
        try loader.replaceByCopy(Segment(files: survey.files, size: Int(survey.size), createdAt: 0))
        continue
      }
      let file = try fileSystem.open(survey.files.log, .readWrite)
      defer { fileSystem.close(file) }
      try mark.orMake(fileSystem) { () throws(EventLogError) in
        try fileSystem.syncData(file, path: survey.files.log)
      }
    }
    try mark.orMake(fileSystem) { () throws(EventLogError) in try fileSystem.syncDirectory(directory) }
  }

  private mutating func report(_ damage: SegmentSurvey.Damage, of survey: SegmentSurvey, _ saved: [String: String]) {
    var message = damage.reason
    let quarantine = saved[Self.place(damage, survey)]
    // What lies below the log start was deleted before.
    let lower = max(damage.offsets.lowerBound, checkpoint.logStartOffset)
    let isLoss = damage.isLoss && lower < damage.offsets.upperBound
    var remedy = damage.restored ?? (damage.isTorn ? "cut off" : "taken out of the segment")
    if damage.isTorn { message += ", at the end: it was never acknowledged as being on the disk" }
    let markers = damage.markers.count
    if markers > 0, damage.restored == nil {
      remedy += ", but for \(markers) \(markers == 1 ? "marker" : "markers") of transactions, made anew"
    }
    if isLoss, damage.openTransactions > 0 {
      message +=
        "; \(damage.openTransactions) \(damage.openTransactions == 1 ? "transaction was" : "transactions were") open "
        + "there, and where a marker went that is not known, the next opening aborts what its transaction wrote"
    }
    findings.append(
      Finding(
        file: survey.files.log, position: damage.range.lowerBound, offset: damage.offsets.lowerBound, message: message,
        remedy: remedy + (quarantine.map { "; its bytes saved in \($0)" } ?? ""),
        loss: isLoss
          ? Loss(
            offsets: lower..<damage.offsets.upperBound, records: damage.records,
            bytes: damage.range.upperBound - damage.range.lowerBound, quarantine: quarantine) : nil))
  }

  /// Has the log end where it had ended: offsets that were given out are not given out again. Who has read their records
  /// would take the next ones for those.
  private mutating func endLog(at offset: Int64, lost: Range<Int64>?) throws(EventLogError) {
    let files = SegmentFiles(directory: directory, baseOffset: offset)
    if !isDryRun {
      let file = try fileSystem.open(files.log, .createIfMissing)
      fileSystem.close(file)
      try fileSystem.syncDirectory(directory)
    }
    let isLoss = lost.map { $0.upperBound > max($0.lowerBound, checkpoint.logStartOffset) } ?? false
    findings.append(
      Finding(
        file: directory, offset: offset,
        message: "the log was on the disk up to \(offset), and its end is gone"
          + (lost == nil ? "" : ": something outside of EventLog took it"),
        remedy: "continued at \(offset), with an empty segment",
        loss: lost.flatMap {
          isLoss
            ? Loss(
              offsets: max($0.lowerBound, checkpoint.logStartOffset)..<$0.upperBound, records: nil, bytes: 0,
              quarantine: nil) : nil
        }))
  }

  // MARK: The indexes

  private mutating func repairIndexes(
    _ faults: Faults, _ surveys: [SegmentSurvey], isEndMissing: Bool
  ) throws(EventLogError) {
    var transactional: Set<Int64> = []
    for (number, survey) in surveys.enumerated() {
      let files = survey.files
      let isLast = number == surveys.count - 1
      // Of a segment that is appended to, they are in memory: the next opening makes them anew.
      let isActive = isLast && !wasClean && !isEndMissing
      let mayBeMissing = survey.size == 0 || isActive
      var isWrong = survey.needsRewrite || (isLast && isEndMissing)
      for path in [files.offsetIndex, files.timeIndex] {
        let isThere = try fileSystem.status(path) != nil
        let isMissing = !isWrong && !mayBeMissing && !isThere
        guard let message = faults.indexes[path] ?? (isMissing ? "the index is missing" : nil) else { continue }
        // Its own fault, or the log's: the one is as well mended as the other.
        let remedy = isActive ? "removed; the next opening makes it anew from the log" : "made anew from the log"
        note(path, message, survey.blocker == nil ? remedy : nil)
        isWrong = true
      }
      if isWrong, survey.blocker == nil, !isDryRun {
        if isActive {
          for path in [files.offsetIndex, files.timeIndex] where try fileSystem.status(path) != nil {
            try fileSystem.unlink(path)
          }
        } else {
          try indexes.rebuild(files)
        }
      }
      if let message = faults.indexes[files.transactionIndex] {
        let isPossible = surveys.allSatisfy { $0.blocker == nil }
        note(files.transactionIndex, message, isPossible ? "made anew from the log" : nil)
        if isPossible { transactional.insert(files.baseOffset) }
      }
    }
    guard !isDryRun else { return }
    if !transactional.isEmpty, surveys.allSatisfy({ $0.blocker == nil }) {
      try indexes.rebuildTransactionIndexes(transactional, of: surveys.map(\.files.baseOffset))
    }
    try fileSystem.syncDirectory(directory)
  }
}
