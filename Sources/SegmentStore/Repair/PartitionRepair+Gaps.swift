internal import RecordFormat

extension PartitionRepair {
  /// Tells of records that are gone without a damaged byte: something took the end of a segment, or a whole one.
  mutating func reportGaps(_ surveys: [SegmentSurvey]) throws(EventLogError) {
    for (survey, next) in zip(surveys, surveys.dropFirst()) where survey.blocker == nil {
      // What lies below the log start was deleted before, and of what was damaged is told already.
      let told = survey.damages.map(\.offsets.upperBound).max() ?? survey.end
      let lower = max(survey.end, told, checkpoint.logStartOffset)
      guard lower < next.files.baseOffset else { continue }
      let gap = try SegmentGap(
        behind: survey.files, size: survey.size, lower..<next.files.baseOffset, orphans: orphans, fileSystem)
      switch gap.witness {
      case nil: continue
      case .orphan where isCompacted: continue
      case .orphan, .entries: break
      }
      findings.append(
        Finding(
          file: gap.file, offset: lower, message: gap.message,
          remedy: "left as a gap, which readers pass over",
          loss: Loss(offsets: gap.offsets, records: nil, bytes: 0, quarantine: nil)))
    }
  }
}
