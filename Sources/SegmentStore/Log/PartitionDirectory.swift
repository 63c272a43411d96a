package import RecordFormat

/// A partition's directory, and the two small files in it that say whose it is.
package enum PartitionDirectory {
  /// What there was to be done.
  struct Preparation {
    var madeDirectory: Bool
    var wroteMetadata = false
    /// Whether an empty file lay there instead.
    var replacedFile = false
  }

  /// Makes the directory if it is missing, and completes its files.
  ///
  /// Nothing is synced here: the first acknowledgement that depends on it sees to that, or the clean stop after which nobody
  /// looks into them any more.
  ///
  /// - Parameter wasOnDisk: whether anything of the log is known to have been on the disk. Where not, an empty file in the
  ///   directory's place is as good as nothing: a power cut may leave one, where a file system keeps no journal, of a directory
  ///   that was not synced.
  static func prepare(
    _ path: String, topicID: String, wasOnDisk: Bool, _ fileSystem: any FileSystem
  ) throws(EventLogError) -> Preparation {
    let status = try fileSystem.status(path)
    var preparation = Preparation(madeDirectory: status?.kind != .directory)
    if let status, preparation.madeDirectory {
      guard status.kind == .file, status.size == 0, !wasOnDisk else {
        throw EventLogError(.inputOutput, "where the partition's directory should be lies something else", file: path)
      }
      try fileSystem.unlink(path)
      preparation.replacedFile = true
    }
    if preparation.madeDirectory { try fileSystem.makeDirectory(path) }
    let metadata = PartitionMetadataFile(topicID: topicID)
    let metadataPath = metadataPath(path)
    // A power cut may have left the file empty, or the beginning of it. The metadata store knows the id; a different one is
    // another matter.
    let text = try? text(metadataPath, fileSystem)
    if text == metadata.text { return preparation }
    if let text, !metadata.text.hasPrefix(text), let known = try? PartitionMetadataFile(text: text).topicID {
      guard known == topicID else {
        throw EventLogError(
          .storageError,
          "the directory belongs to a topic with the id \(known), not to \(topicID): it is from another store, or "
            + "from an earlier topic of that name; move it away. If it is this store's, and only the file is damaged, "
            + "remove the file: the next opening makes it anew", file: metadataPath)
      }
    } else {
      try fileSystem.replace(metadataPath, with: Array(metadata.text.utf8), durably: false)
      preparation.wroteMetadata = true
    }
    return preparation
  }

  static func metadataPath(_ path: String) -> String { path + "/" + PartitionMetadataFile.name }

  /// Makes `partition.metadata` durable.
  static func syncMetadata(_ path: String, _ fileSystem: any FileSystem) throws(EventLogError) {
    let metadataPath = metadataPath(path)
    let file = try fileSystem.open(metadataPath, .read)
    defer { fileSystem.close(file) }
    try fileSystem.syncData(file, path: metadataPath)
  }

  private static func text(_ path: String, _ fileSystem: any FileSystem) throws(EventLogError) -> String? {
    try fileSystem.contentsIfPresent(of: path, limit: 4096).map { String(decoding: $0, as: UTF8.self) }
  }

  /// The leader epochs of a partition, to look at; none where the file is missing or damaged, or can't be read.
  package static func leaderEpochs(_ path: String, _ fileSystem: any FileSystem) -> LeaderEpochCheckpoint {
    (try? knownLeaderEpochs(path, fileSystem)) ?? LeaderEpochCheckpoint()
  }

  /// The leader epochs of a partition; none where the file is missing or damaged.
  ///
  /// - Throws: where the disk does not give the file: epochs that are forgotten are given out again.
  static func knownLeaderEpochs(
    _ path: String, _ fileSystem: any FileSystem
  ) throws(EventLogError) -> LeaderEpochCheckpoint {
    let file = path + "/" + LeaderEpochCheckpoint.name
    // Without its last line's end it is torn, and its last offset may lack digits.
    guard let bytes = try fileSystem.contentsIfPresent(of: file, limit: 16 << 20), bytes.last == UInt8(ascii: "\n"),
      let epochs = try? LeaderEpochCheckpoint(text: String(decoding: bytes, as: UTF8.self))
    else { return LeaderEpochCheckpoint() }
    return epochs
  }

  /// Tells one set of names in the directory from another, in whatever order they are listed.
  static func namesDigest(_ path: String, _ fileSystem: any FileSystem) throws(EventLogError) -> UInt32 {
    var digest: UInt32 = 0
    for name in try fileSystem.list(path).sorted() {
      var terminated = name + "/"
      digest = terminated.withUTF8 { Checksum.crc32c(UnsafeRawBufferPointer($0), continuing: digest) }
    }
    return digest
  }

  static func write(
    _ epochs: LeaderEpochCheckpoint, to path: String, durably: Bool = false, _ fileSystem: any FileSystem
  ) throws(EventLogError) {
    try fileSystem.replace(path + "/" + LeaderEpochCheckpoint.name, with: Array(epochs.text.utf8), durably: durably)
  }
}
