import RecordFormat
import SegmentStore
import Testing

/// Kafka's `UnifiedLogTest` scenarios of retention, as decisions.
@Suite("What retention deletes")
struct RetentionPlanTests {
  /// Segments of 100 bytes and 10 offsets, the last one active.
  private func expired(
    timestamps: [Int64], retentionMs: Int64 = -1, retentionBytes: Int64 = -1, logStart: Int64 = 0,
    highWatermark: Int64? = nil, now: Int64 = 1000, isDeleted: Bool = true, activeBytes: Int64 = 100
  ) throws -> [ExpiredSegment] {
    var configuration = LogConfiguration()
    configuration.retentionMilliseconds = retentionMs
    configuration.retentionBytes = retentionBytes
    configuration.isDeleted = isDeleted
    let candidates = timestamps.indices.map { index in
      let isActive = index == timestamps.count - 1
      return RetentionPlan.Candidate(
        baseOffset: Int64(index) * 10, endOffset: Int64(index) * 10 + (isActive && activeBytes == 0 ? 0 : 10),
        sizeInBytes: isActive ? activeBytes : 100, isActive: isActive)
    }
    return try RetentionPlan(
      candidates: candidates, configuration: configuration, logStartOffset: logStart,
      highWatermark: highWatermark ?? (candidates.last?.endOffset ?? 0), now: now
    ).expired { index throws(EventLogError) in timestamps[index] }
  }

  @Test("by time: what is older than retention.ms, and not what is exactly as old")
  func time() throws {
    #expect(try expired(timestamps: [100, 200, 300], retentionMs: 800).map(\.baseOffset) == [0])
    #expect(try expired(timestamps: [199, 200, 300], retentionMs: 800).map(\.baseOffset) == [0])
    #expect(try expired(timestamps: [200, 100, 300], retentionMs: 800).isEmpty, "no holes: the first one is kept")
    #expect(try expired(timestamps: [100, 200, 300], retentionMs: -1).isEmpty)
    #expect(try expired(timestamps: [999, 1000, 1000], retentionMs: 0).map(\.reason) == [.time])
  }

  @Test("by time: one record from the future keeps its segment and all later ones")
  func future() throws {
    #expect(try expired(timestamps: [100, 5000, 100], retentionMs: 10).map(\.baseOffset) == [0])
    #expect(try expired(timestamps: [.max, 1], retentionMs: 0).isEmpty)
    #expect(try expired(timestamps: [.min, .max], retentionMs: 5, now: .max).map(\.baseOffset) == [0])
    #expect(try expired(timestamps: [.min, 1], retentionMs: .max, now: .max).isEmpty)
  }

  @Test("the active segment too, if all are expired; an empty one never")
  func active() throws {
    let all = try expired(timestamps: [1, 2, 3], retentionMs: 10)
    #expect(all.map(\.isActive) == [false, false, true])
    #expect(try expired(timestamps: [1, 2, 3], retentionMs: 10, activeBytes: 0).map(\.baseOffset) == [0, 10])
  }

  @Test("by size: at least retention.bytes stay; the active segment counts")
  func size() throws {
    let timestamps = [Int64](repeating: 1000, count: 4)
    #expect(try expired(timestamps: timestamps, retentionBytes: 400).isEmpty)
    #expect(try expired(timestamps: timestamps, retentionBytes: 301).isEmpty)
    #expect(try expired(timestamps: timestamps, retentionBytes: 300).map(\.baseOffset) == [0])
    #expect(try expired(timestamps: timestamps, retentionBytes: 150).map(\.baseOffset) == [0, 10])
    #expect(try expired(timestamps: timestamps, retentionBytes: 0).count == 4)
    #expect(try expired(timestamps: timestamps, retentionBytes: -1).isEmpty)
  }

  @Test("by the log start: what lies wholly below it, also where cleanup.policy is compact; the active one never")
  func logStart() throws {
    let timestamps = [Int64](repeating: 1000, count: 3)
    #expect(try expired(timestamps: timestamps, logStart: 9).isEmpty)
    #expect(try expired(timestamps: timestamps, logStart: 10).map(\.reason) == [.logStart])
    #expect(try expired(timestamps: timestamps, logStart: 29).map(\.baseOffset) == [0, 10])
    #expect(try expired(timestamps: timestamps, logStart: 30).map(\.baseOffset) == [0, 10])
    let compacted = try expired(
      timestamps: [1, 1, 1], retentionMs: 0, retentionBytes: 0, logStart: 10, isDeleted: false)
    #expect(compacted.map(\.reason) == [.logStart])
  }

  @Test("in this order: time, size, log start")
  func order() throws {
    let found = try expired(timestamps: [1, 990, 990, 990, 990], retentionMs: 100, retentionBytes: 300, logStart: 35)
    #expect(found.map(\.reason) == [.time, .size, .logStart])
  }

  @Test("nothing that is not below the high watermark")
  func highWatermark() throws {
    #expect(try expired(timestamps: [1, 1, 1], retentionMs: 10, highWatermark: 19).map(\.baseOffset) == [0])
    #expect(try expired(timestamps: [1, 1, 1], retentionMs: 10, highWatermark: 20).map(\.baseOffset) == [0, 10])
    #expect(try expired(timestamps: [1, 1, 1], retentionBytes: 0, highWatermark: 0).isEmpty)
  }
}
