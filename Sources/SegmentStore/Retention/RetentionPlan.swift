package import RecordFormat

/// Why a segment may go: the three rules of Kafka's retention.
package enum RetentionReason: String, Sendable, Hashable, CaseIterable {
  /// Its youngest record is older than `retention.ms`.
  case time = "retention.ms"
  /// The partition has `retention.bytes` without it.
  case size = "retention.bytes"
  /// `deleteRecords` moved the log start past it.
  case logStart = "log start offset"
}

/// A segment that retention removes, and why.
package struct ExpiredSegment: Sendable, Hashable {
  package var baseOffset: Int64
  /// The offset that follows the segment's last.
  package var endOffset: Int64
  package var sizeInBytes: Int64
  /// Milliseconds since 1970; nil where no record has a timestamp, and the rule did not ask for the file's.
  package var largestTimestamp: Int64?
  package var reason: RetentionReason
  /// Whether it is still appended to: then it is rolled before it goes.
  package var isActive: Bool
}

/// Kafka's retention of one partition, as a decision: which of its oldest segments go. Nothing is done here.
///
/// By time, then by size, then by the log start; each rule goes on where the one before it ended, from the oldest segment
/// on, and stops at the first that it does not concern, so that there are never holes. What is not yet below the high
/// watermark stays.
package struct RetentionPlan {
  package struct Candidate {
    package var baseOffset: Int64
    package var endOffset: Int64
    package var sizeInBytes: Int64
    package var isActive: Bool

    package init(baseOffset: Int64, endOffset: Int64, sizeInBytes: Int64, isActive: Bool) {
      self.baseOffset = baseOffset
      self.endOffset = endOffset
      self.sizeInBytes = sizeInBytes
      self.isActive = isActive
    }
  }

  /// Oldest first.
  package let candidates: [Candidate]
  package let configuration: LogConfiguration
  package let logStartOffset: Int64
  package let highWatermark: Int64
  /// The wall clock, in milliseconds since 1970.
  package let now: Int64

  package init(
    candidates: [Candidate], configuration: LogConfiguration, logStartOffset: Int64, highWatermark: Int64, now: Int64
  ) {
    self.candidates = candidates
    self.configuration = configuration
    self.logStartOffset = logStartOffset
    self.highWatermark = highWatermark
    self.now = now
  }

  /// - Parameter largestTimestamp: of the candidate with this number; asked only where the rule depends on it.
  package func expired(
    largestTimestamp: (Int) throws(EventLogError) -> Int64
  ) throws(EventLogError) -> [ExpiredSegment] {
    var result: [ExpiredSegment] = []
    if configuration.isDeleted, configuration.retentionMilliseconds >= 0 {
      while let next = candidate(after: result) {
        let timestamp = try largestTimestamp(result.count)
        let (age, overflows) = now.subtractingReportingOverflow(timestamp)
        guard (overflows ? (timestamp < 0 ? .max : .min) : age) > configuration.retentionMilliseconds else { break }
        result.append(expired(next, .time, timestamp))
      }
    }
    if configuration.isDeleted, configuration.retentionBytes >= 0 {
      var excess =
        candidates[result.count...].reduce(0) { $0 + $1.sizeInBytes }.subtractingReportingOverflow(
          configuration.retentionBytes
        ).partialValue
      while let next = candidate(after: result), excess - next.sizeInBytes >= 0 {
        excess -= next.sizeInBytes
        result.append(expired(next, .size))
      }
    }
    while let next = candidate(after: result), !next.isActive, next.endOffset <= logStartOffset {
      result.append(expired(next, .logStart))
    }
    return result
  }

  /// The oldest segment that is left, unless no rule may touch it.
  private func candidate(after expired: [ExpiredSegment]) -> Candidate? {
    guard expired.count < candidates.count else { return nil }
    let next = candidates[expired.count]
    if next.isActive, next.sizeInBytes == 0 { return nil }
    return next.endOffset <= highWatermark ? next : nil
  }

  private func expired(_ candidate: Candidate, _ reason: RetentionReason, _ timestamp: Int64? = nil) -> ExpiredSegment {
    ExpiredSegment(
      baseOffset: candidate.baseOffset, endOffset: candidate.endOffset, sizeInBytes: candidate.sizeInBytes,
      largestTimestamp: timestamp, reason: reason, isActive: candidate.isActive)
  }
}
