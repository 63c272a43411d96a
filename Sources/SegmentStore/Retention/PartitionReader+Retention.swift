package import RecordFormat

extension PartitionReader {
  /// As `PartitionLog.expiredSegments`, for a partition that another process owns: what it would delete now.
  package func expiredSegments(
    _ configuration: LogConfiguration, now: Int64
  ) throws(EventLogError) -> [ExpiredSegment] {
    let end = try logEndOffset()
    let bases = try bases()
    var sizes: [Int64] = []
    for base in bases.dropLast() { sizes.append(try fileSize(ofSegment: base)) }
    // Of the last one, what is written, without what is reserved.
    sizes.append(max(0, try writtenBytes() - sizes.reduce(0, +)))
    let candidates = bases.indices.map { index in
      let isActive = index == bases.count - 1
      return RetentionPlan.Candidate(
        baseOffset: bases[index], endOffset: isActive ? end : bases[index + 1], sizeInBytes: sizes[index],
        isActive: isActive)
    }
    let plan = RetentionPlan(
      candidates: candidates, configuration: configuration, logStartOffset: try logStartOffset(), highWatermark: end,
      now: now)
    return try plan.expired { index throws(EventLogError) in
      let files = SegmentFiles(directory: directory, baseOffset: bases[index])
      if let known = try largestTimestamp(ofSegment: files, isActive: candidates[index].isActive) { return known }
      return try fileSystem.status(files.log)?.modified ?? now
    }
  }

  /// By the time index where there is one, else by all batches.
  private func largestTimestamp(
    ofSegment files: SegmentFiles, isActive: Bool
  ) throws(EventLogError) -> Int64? {
    if !isActive, let known = largestTimestamp(files) { return known }
    var largest: Int64?
    var next = Int64.min
    _ = try forEachBatch(of: files, isLast: isActive, next: &next) { header, _ in
      if header.maxTimestamp >= 0 { largest = max(largest ?? 0, header.maxTimestamp) }
      return true
    }
    return largest
  }

  private func fileSize(ofSegment base: Int64) throws(EventLogError) -> Int64 {
    try fileSystem.status(SegmentFiles(directory: directory, baseOffset: base).log)?.size ?? 0
  }
}
