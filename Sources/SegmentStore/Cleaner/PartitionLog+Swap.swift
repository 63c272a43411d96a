internal import RecordFormat

extension PartitionLog {
  /// Puts a cleaned segment in the place of those that it was made from. Appends wait for the change of the list alone.
  ///
  /// From the moment when the `.swap` names are durable, the cleaned one counts: whatever stops this, the next opening
  /// finishes it. Before that, the old ones count, and what is there of the new one is removed.
  ///
  /// - Throws: `illegalState` where the log is closed, or one of the old segments was deleted meanwhile. Nothing has changed
  ///   then. After other errors the log is to be cleaned no more before it is opened again.
  func swap(_ cleaned: Segment, for old: [Segment]) throws(EventLogError) {
    try fileChanges.withLock { _ throws(EventLogError) in
      guard mayReplace(old) else {
        throw EventLogError(.illegalState, "segments were deleted while they were cleaned, or the log was closed")
          .at(topicPartition)
      }
      try rename(cleaned.files, from: SegmentFiles.cleanedSuffix, to: SegmentFiles.swapSuffix)
      try context.fileSystem.syncDirectory(directory)
      let delay = state.withLock { state -> Int64 in
        take(old, outOf: segments, replacement: [cleaned])
        return state.configuration.fileDeleteDelayMilliseconds
      }
      try discardFiles(of: old, keeping: [cleaned.baseOffset], delay: delay)
      try rename(cleaned.files, from: SegmentFiles.swapSuffix, to: "")
      try context.fileSystem.syncDirectory(directory)
      cleaned.unpin(context)
    }
  }

  private func mayReplace(_ old: [Segment]) -> Bool {
    state.withLock { state in
      let known = segments
      return !state.isClosed && old.allSatisfy { segment in known.contains { $0 === segment } }
    }
  }

  /// The log last: with that name, all is there.
  private func rename(_ files: SegmentFiles, from suffix: String, to newSuffix: String) throws(EventLogError) {
    for kind in SegmentFiles.Kind.allCases.reversed() {
      let path = files.path(kind)
      guard try context.fileSystem.status(path + suffix) != nil else { continue }
      try context.fileSystem.rename(path + suffix, to: path + newSuffix)
    }
  }
}
