package import RecordFormat
internal import Synchronization

// Segments that go, oldest first. The order: the decision (`expiredSegments`); the active segment rolled where it is among
// them (`settle`); the new log start written down durably, by the caller; then the files (`removeSegments`).

extension PartitionLog {
  /// The segments that the topic's configuration no longer keeps, at `now` (milliseconds since 1970).
  package func expiredSegments(now: Int64) throws(EventLogError) -> [ExpiredSegment] {
    let (segments, configuration, end, active) = state.withLock { state in
      (self.segments, state.configuration, state.nextOffset, state.active.index.maxTimestamp)
    }
    let candidates = segments.indices.map { index in
      let isActive = index == segments.count - 1
      return RetentionPlan.Candidate(
        baseOffset: segments[index].baseOffset, endOffset: isActive ? end : segments[index + 1].baseOffset,
        sizeInBytes: Int64(segments[index].size), isActive: isActive)
    }
    let plan = RetentionPlan(
      candidates: candidates, configuration: configuration, logStartOffset: logStartOffset,
      highWatermark: highWatermark, now: now)
    do throws(EventLogError) {
      return try plan.expired { index throws(EventLogError) in
        let known = candidates[index].isActive ? active : try segments[index].largestTimestamp(context)
        return known >= 0 ? known : try modified(segments[index])
      }
    } catch {
      throw error.at(topicPartition)
    }
  }

  /// Where no record has a timestamp, when the file was last written stands for it.
  private func modified(_ segment: Segment) throws(EventLogError) -> Int64 {
    try context.fileSystem.status(segment.files.log)?.modified ?? segment.createdAt
  }

  /// Rolls the active segment if it is among `expired`, and waits until the files of all of them are finished and on the
  /// disk: nobody writes to them any more.
  ///
  /// - Returns: those that may go: all, or all but the active one where something was appended to it meanwhile.
  package func settle(_ expired: [ExpiredSegment]) throws(EventLogError) -> [ExpiredSegment] {
    var expired = expired
    guard let last = expired.last else { return [] }
    if last.isActive {
      do throws(EventLogError) {
        let isRolled = try state.withLock { state throws(EventLogError) -> Bool in
          if let failure = state.failure { throw failure }
          guard state.active.segment.baseOffset == last.baseOffset, state.nextOffset == last.endOffset else {
            return false
          }
          try roll(&state)
          return true
        }
        if !isRolled { expired.removeLast() }
      } catch {
        throw error.at(topicPartition)
      }
    }
    try finishRolledSegments()
    return expired
  }

  /// Takes the segments out of the log that lie wholly below the log start, and gives their files away: renamed at once,
  /// unlinked after `delay`. Records that somebody holds stay readable.
  ///
  /// The log start must be durable by now: else a crash could bring back a log that begins before its files do.
  ///
  /// - Parameter delay: milliseconds; `file.delete.delay.ms` where it is nil.
  /// - Returns: how many bytes went.
  @discardableResult
  package func removeSegmentsBelowLogStart(delay: Int64? = nil) throws(EventLogError) -> Int64 {
    try fileChanges.withLock { _ throws(EventLogError) -> Int64 in
      let (removed, configured) = state.withLock { state -> ([Segment], Int64) in
        guard !state.isClosed else { return ([], 0) }
        let segments = self.segments
        let busy = state.rolled.first?.segment.baseOffset ?? state.active.segment.baseOffset
        var count = 0
        while count + 1 < segments.count, segments[count + 1].baseOffset <= logStartOffset,
          segments[count].baseOffset < busy
        {
          count += 1
        }
        let removed = Array(segments[..<count])
        take(removed, outOf: segments, replacement: [])
        return (removed, state.configuration.fileDeleteDelayMilliseconds)
      }
      guard !removed.isEmpty else { return 0 }
      try discardFiles(of: removed, delay: delay ?? configured)
      return removed.reduce(0) { $0 + Int64($1.size) }
    }
  }

  /// Publishes the list of segments without `removed`. Called under the lock.
  func take(_ removed: [Segment], outOf segments: [Segment], replacement: [Segment]) {
    guard !removed.isEmpty else { return }
    // Odd while the list is older than the marks: who fails at a mark then has to look again, too.
    segmentChanges.add(1, ordering: .sequentiallyConsistent)
    // Before a file changes its name: who opens one by it after this finds out that it may be another's.
    for segment in removed { segment.markRemoved() }
    let rest = segments.filter { segment in !removed.contains { $0 === segment } }
    replaceSegments((rest + replacement).sorted { $0.baseOffset < $1.baseOffset })
    segmentChanges.add(1, ordering: .sequentiallyConsistent)
  }

  /// Renames the files of segments that are no longer in the list, and has them unlinked later. Called with `fileChanges`.
  ///
  /// The logs first, durably: wherever this ends, there is none without the transaction index that a snapshot says is complete.
  /// What the others leave without a log the next opening removes.
  func discardFiles(of removed: [Segment], keeping kept: Set<Int64> = [], delay: Int64) throws(EventLogError) {
    context.contents.remove(removed)
    var failure: EventLogError?
    var paths: [String] = []
    var gone: [Segment] = []
    for segment in removed {
      do throws(EventLogError) {
        try discard(segment.files.log, &paths)
        gone.append(segment)
      } catch {
        failure = failure ?? error
      }
    }
    do throws(EventLogError) {
      try context.fileSystem.syncDirectory(directory)
      for segment in gone {
        // A snapshot belongs to the offset, not to the file.
        for kind in SegmentFiles.Kind.allCases
        where kind != .log && (kind != .snapshot || !kept.contains(segment.baseOffset)) {
          try discard(segment.files.path(kind), &paths)
        }
      }
      try context.fileSystem.syncDirectory(directory)
    } catch {
      failure = failure ?? error
    }
    context.deletedFiles.add(paths, bytes: removed.reduce(0) { $0 + Int64($1.size) }, delay: delay)
    if let failure { throw failure.at(topicPartition) }
  }

  private func discard(_ path: String, _ paths: inout [String]) throws(EventLogError) {
    guard try context.fileSystem.status(path) != nil else { return }
    try context.fileSystem.rename(path, to: path + SegmentFiles.deletedSuffix)
    paths.append(path + SegmentFiles.deletedSuffix)
  }

  /// Does `body` again where it failed because a segment went away, or was replaced, in the middle of it.
  @inline(always)
  func despiteRemovals<R>(_ body: () throws(EventLogError) -> R) throws(EventLogError) -> R {
    while true {
      let before = segmentChanges.load(ordering: .sequentiallyConsistent)
      do throws(EventLogError) {
        return try body()
      } catch {
        let isUnchanged = segmentChanges.load(ordering: .sequentiallyConsistent) == before
        if isUnchanged, before.isMultiple(of: 2) { throw error }
      }
    }
  }

  // MARK: The cap on all logs

  /// A closed segment that could make room for others: the oldest one.
  package struct OldestSegment: Sendable {
    package var baseOffset: Int64
    package var endOffset: Int64
    package var sizeInBytes: Int64
    package var largestTimestamp: Int64
  }

  /// The oldest segment, if it is finished and nobody writes to it. Waits for nothing.
  package func oldestClosedSegment() -> OldestSegment? {
    let found = state.withLock { state -> (Segment, Int64)? in
      let segments = self.segments
      let busy = state.rolled.first?.segment.baseOffset ?? state.active.segment.baseOffset
      guard !state.isClosed, state.configuration.isDeleted, segments.count > 1, segments[0].baseOffset < busy,
        segments[1].baseOffset <= highWatermark
      else { return nil }
      return (segments[0], segments[1].baseOffset)
    }
    guard let (segment, end) = found else { return nil }
    // One that can't be read any more goes first.
    let timestamp = (try? segment.largestTimestamp(context)) ?? .min
    return OldestSegment(
      baseOffset: segment.baseOffset, endOffset: end, sizeInBytes: Int64(segment.size), largestTimestamp: timestamp)
  }

  /// Bytes of the segment that is appended to, with what is reserved ahead of it; 0 where nothing of it may be deleted.
  package var droppableActiveBytes: Int64 {
    state.withLock { state in
      guard state.configuration.isDeleted, state.active.position > 0, state.failure == nil else { return 0 }
      return Int64(state.active.reserved)
    }
  }

  /// Does `body` again where only the cap on all logs was in the way, and older segments have made room.
  @inline(always)
  func withinBudget<R>(_ body: () throws(EventLogError) -> R) throws(EventLogError) -> R {
    var isFirst = true
    // One place that calls it, so that it is inlined there.
    while true {
      do throws(EventLogError) {
        return try body()
      } catch {
        guard isFirst, error.code == .diskFull, error.errno == nil, context.diskBudget.makeRoom() else { throw error }
        isFirst = false
      }
    }
  }
}

extension PartitionLog {
  /// Rolls, and waits until the segment that was rolled is finished; false where there is nothing to roll, or that fails.
  package func rollAndFinish() -> Bool {
    let isRolled = state.withLock { state in
      state.failure == nil && state.active.position > 0 && (try? roll(&state)) != nil
    }
    return isRolled && (try? finishRolledSegments()) != nil
  }
}
