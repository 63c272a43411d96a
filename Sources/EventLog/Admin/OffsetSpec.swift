/// Which offset is asked for (`listOffsets`). The numbers are what Kafka's protocol and tools call them by.
public enum OffsetSpec: Sendable, Hashable {
  /// The log start (-2).
  case earliest
  /// The high watermark, or with `read_committed` the last stable offset (-1).
  case latest
  /// The first record whose timestamp is at least this, in milliseconds since 1970; not negative.
  case timestamp(Int64)
  /// The first record that has the largest timestamp of all (-3, KIP-734).
  case maxTimestamp
  /// The first offset on this machine (-4, KIP-405). Refused: there is no tiered storage.
  case earliestLocal
  /// The last offset in tiered storage (-5, KIP-1005). Refused: there is none.
  case latestTiered
  /// The first offset that is not in tiered storage yet (-6, KIP-1023). Refused: there is none.
  case earliestPendingUpload
}

/// An offset, with what is known of the record there.
public struct OffsetAndTimestamp: Sendable, Hashable {
  /// The offset.
  public var offset: Int64
  /// The record's timestamp in milliseconds since 1970; nil where no record was asked for.
  public var timestamp: Int64?
  /// The leader epoch that the offset was, or will be, written in (KIP-320); nil where it is not known.
  public var leaderEpoch: Int32?

  /// An offset, with what is known of the record there.
  public init(offset: Int64, timestamp: Int64? = nil, leaderEpoch: Int32? = nil) {
    self.offset = offset
    self.timestamp = timestamp
    self.leaderEpoch = leaderEpoch
  }
}
