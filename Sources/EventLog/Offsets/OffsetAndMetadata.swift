/// A position that a group commits: the offset of the next record that it has to read, not of the last it has read.
public struct OffsetAndMetadata: Hashable, Sendable {
  /// The next offset to read.
  public var offset: Int64
  /// The leader epoch of the last record that was read, if it is known.
  public var leaderEpoch: Int32?
  /// Whatever the committer wants to keep with it; at most `offset.metadata.max.bytes` (4096).
  public var metadata: String

  public init(_ offset: Int64, leaderEpoch: Int32? = nil, metadata: String = "") {
    self.offset = offset
    self.leaderEpoch = leaderEpoch
    self.metadata = metadata
  }
}
