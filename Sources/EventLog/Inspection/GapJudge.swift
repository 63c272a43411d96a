internal import MetadataStore
internal import RecordFormat
internal import SegmentStore

/// Says of what is missing between a log's segments whether that is a fault.
struct GapJudge {
  let fileSystem: any FileSystem
  /// Up to where each partition was compacted.
  private let cleaned: [TopicPartition: Int64]
  /// What is wrong with the file that says so: a cache, which costs a pass over everything.
  let checkpointFault: StoreVerifier.Fault?

  init(path: String, fileSystem: any FileSystem) {
    self.fileSystem = fileSystem
    let file = path + "/" + OffsetCheckpointFile.cleanerName
    guard let bytes = try? fileSystem.contents(of: file) else {
      cleaned = [:]
      checkpointFault = nil
      return
    }
    do throws(EventLogError) {
      cleaned = try OffsetCheckpointFile(text: String(decoding: bytes, as: UTF8.self), name: file).offsets
      checkpointFault = nil
    } catch {
      cleaned = [:]
      checkpointFault = .init(file: file, message: error.message)
    }
  }

  /// Whether a log is compacted, or was. Of one that was before it was imported, nobody knows.
  func isCompacted(_ topicPartition: TopicPartition, _ configs: [String: String]) -> Bool {
    TopicConfigs.logConfiguration(configs, defaults: [:]).isCompacted || cleaned[topicPartition] != nil
  }

  /// Of a log that was never compacted: where something shows that records are gone.
  func faults(_ gaps: [SegmentGap]) -> [StoreVerifier.Fault] {
    gaps.filter { $0.witness != nil }.map { .init(file: $0.file, offset: $0.offsets.lowerBound, message: $0.message) }
  }

  /// Of a log of which it is not known that it was compacted: where nothing explains a gap. Of one that is: where a log is
  /// gone and its index is not, as a power cut in the midst of a compaction may leave it. One note, since a log that was
  /// compacted may have many gaps.
  func note(_ gaps: [SegmentGap], isCompacted: Bool) throws(EventLogError) -> StoreVerifier.Fault? {
    var first: SegmentGap?
    var more = 0
    for gap in gaps where (gap.witness != nil) == isCompacted {
      if !isCompacted, try gap.isExplained(fileSystem) { continue }
      if first == nil { first = gap } else { more += 1 }
    }
    guard let first else { return nil }
    var message = first.message
    if isCompacted { message += ", unless a compaction had taken them" }
    if more > 0 { message += "; and so in \(more) more \(more == 1 ? "place" : "places")" }
    return .init(file: first.file, offset: first.offsets.lowerBound, message: message)
  }
}

extension StoredCheckpoint {
  /// Offsets at the beginning that are gone, though nothing had deleted them: the log start is written down before the
  /// segments below it go, and compaction leaves the first segment its name.
  func lostBegin(_ firstSegment: Int64) -> Range<Int64>? {
    // Of a log that was never on the disk, a power cut may leave a later segment alone.
    guard firstSegment > logStartOffset, max(recoveryPoint, logEndOffset ?? 0) > logStartOffset else { return nil }
    return logStartOffset..<firstSegment
  }

  static func message(ofLostBegin lost: Range<Int64>) -> String {
    "the log begins at \(lost.upperBound), but nothing had deleted the offsets from \(lost.lowerBound) on: something "
      + "outside of EventLog took them"
  }
}
