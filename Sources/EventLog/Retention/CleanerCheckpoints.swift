internal import RecordFormat
internal import SegmentStore
internal import Synchronization

/// Up to where each partition was compacted: Kafka's `cleaner-offset-checkpoint` in the data directory, replaced as a whole.
///
/// To lose it costs a pass over everything. To believe one of another topic of the same name would cost records, so that an
/// entry goes, durably, before its partition can be made anew.
final class CleanerCheckpoints: Sendable {
  private let directory: String
  private let fileSystem: any FileSystem
  private let offsets: Mutex<[TopicPartition: Int64]>
  private var path: String { directory + "/" + OffsetCheckpointFile.cleanerName }

  /// - Parameter warn: told of a file that can't be read, which is then taken for an empty one.
  init(directory: String, _ fileSystem: any FileSystem, warn: (EventLogError) -> Void) {
    self.directory = directory
    self.fileSystem = fileSystem
    let path = directory + "/" + OffsetCheckpointFile.cleanerName
    var known: [TopicPartition: Int64] = [:]
    do throws(EventLogError) {
      if try fileSystem.status(path) != nil {
        let text = String(decoding: try fileSystem.contents(of: path), as: UTF8.self)
        known = try OffsetCheckpointFile(text: text, name: path).offsets
      }
    } catch {
      warn(error)
    }
    offsets = Mutex(known)
  }

  subscript(partition: TopicPartition) -> Int64? { offsets.withLock { $0[partition] } }

  func set(_ offset: Int64, for partition: TopicPartition) throws(EventLogError) {
    try change { $0[partition] = offset }
  }

  func forget(_ topic: String) throws(EventLogError) {
    try change { offsets in
      for partition in offsets.keys where partition.topic == topic { offsets[partition] = nil }
    }
  }

  func forget(_ partition: TopicPartition) throws(EventLogError) {
    try change { $0[partition] = nil }
  }

  /// In memory, and, where anything is different, on the disk.
  private func change(_ body: (inout [TopicPartition: Int64]) -> Void) throws(EventLogError) {
    try offsets.withLock { offsets throws(EventLogError) in
      var changed = offsets
      body(&changed)
      guard changed != offsets else { return }
      try fileSystem.replace(path, with: Array(OffsetCheckpointFile(offsets: changed).text.utf8), durably: true)
      try fileSystem.syncDirectory(directory)
      offsets = changed
    }
  }
}
