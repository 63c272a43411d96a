package import RecordFormat

/// What of a log can be cleaned now, and how dirty it is (Kafka's `LogToClean`).
package struct CleanableRange: Sendable, Equatable {
  /// Below it, everything was cleaned before.
  package var firstDirtyOffset: Int64
  /// The first offset of the first segment that may not be cleaned yet.
  package var firstUncleanableOffset: Int64
  package var cleanBytes: Int64
  package var cleanableBytes: Int64
  /// Whether something has been dirty for longer than `max.compaction.lag.ms`.
  package var isOverdue: Bool
  /// Whether the checkpoint was of no use, and has to be written anew.
  package var resetsCheckpoint: Bool

  /// The share that is dirty.
  package var ratio: Double {
    let total = cleanBytes + cleanableBytes
    return total == 0 ? 0 : Double(cleanableBytes) / Double(total)
  }

  /// Whether it is to be cleaned by the topic's configuration.
  package func isDue(_ configuration: LogConfiguration) -> Bool {
    cleanableBytes > 0 && (isOverdue || ratio > configuration.minCleanableDirtyRatio)
  }
}

extension PartitionLog {
  /// What can be cleaned: nothing of the active segment, nothing from the last stable offset on, nothing younger than
  /// `min.compaction.lag.ms`; whole segments.
  ///
  /// - Parameters:
  ///   - checkpoint: up to where it was cleaned; nil where it never was.
  ///   - now: the wall clock, in milliseconds since 1970.
  package func cleanableRange(checkpoint: Int64?, now: Int64) throws(EventLogError) -> CleanableRange {
    do throws(EventLogError) {
      return try despiteRemovals { () throws(EventLogError) in
        try findCleanableRange(checkpoint: checkpoint, now: now)
      }
    } catch {
      throw error.at(topicPartition)
    }
  }

  private func findCleanableRange(checkpoint: Int64?, now: Int64) throws(EventLogError) -> CleanableRange {
    let start = logStartOffset
    let known = checkpoint ?? start
    // Records were deleted past it, or the log lost its end and began anew.
    let isUsable = known >= start && known <= logEndOffset
    let firstDirty = isUsable ? known : start
    let segments = segments
    guard segments.count > 1, let active = segments.last else {
      return CleanableRange(
        firstDirtyOffset: firstDirty, firstUncleanableOffset: firstDirty,
        cleanBytes: 0, cleanableBytes: 0, isOverdue: false, resetsCheckpoint: checkpoint != nil && !isUsable)
    }
    let configuration = configuration
    let stable = lastStableOffset
    var end = segments.count - 1
    // The segment that holds the last stable offset stays whole, and so do those that are not finished.
    let limit = min(stable, firstUnfinishedOffset, active.baseOffset)
    while end > 0, segments[end].baseOffset > limit { end -= 1 }
    let firstDirtySegment = segments.lastIndex { $0.baseOffset <= firstDirty } ?? 0
    let lag = configuration.minCompactionLagMilliseconds
    if lag > 0 {
      let (youngest, overflows) = now.subtractingReportingOverflow(lag)
      for index in segments.indices where index >= firstDirtySegment && index < end {
        guard try segments[index].largestTimestamp(context) > (overflows ? .min : youngest) else { continue }
        end = index
        break
      }
    }
    let uncleanable = segments[end].baseOffset
    var cleanBytes: Int64 = 0
    var cleanableBytes: Int64 = 0
    for index in segments.indices where index < end {
      if index < firstDirtySegment || segments[index + 1].baseOffset <= firstDirty {
        cleanBytes += Int64(segments[index].size)
      } else {
        cleanableBytes += Int64(segments[index].size)
      }
    }
    var isOverdue = false
    if cleanableBytes > 0, configuration.maxCompactionLagMilliseconds < .max {
      let until = now.subtractingReportingOverflow(configuration.maxCompactionLagMilliseconds)
      for index in firstDirtySegment..<end where !isOverdue && !until.overflow {
        guard let first = try firstBatchTimestamp(of: segments[index]), first > 0 else { continue }
        isOverdue = first < until.partialValue
      }
    }
    return CleanableRange(
      firstDirtyOffset: firstDirty, firstUncleanableOffset: max(firstDirty, uncleanable), cleanBytes: cleanBytes,
      cleanableBytes: cleanableBytes, isOverdue: isOverdue, resetsCheckpoint: checkpoint != nil && !isUsable)
  }

  /// Where the first segment begins that is still written to, or not yet trimmed and synced.
  private var firstUnfinishedOffset: Int64 {
    state.withLock { $0.rolled.first?.segment.baseOffset ?? $0.active.segment.baseOffset }
  }

  private func firstBatchTimestamp(of segment: Segment) throws(EventLogError) -> Int64? {
    let size = segment.size
    return try segment.loadedContents(context).header(at: 0, size: size)?.maxTimestamp
  }
}
