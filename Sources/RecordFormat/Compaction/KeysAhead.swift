/// The hashes of a batch's keys, each made some records before it is asked for: the map is far larger than the processor's
/// caches, and so its entries come one behind the other instead of one after the other.
struct KeysAhead {
  private static let distance = 16

  private let base: UnsafeRawPointer
  private var cursor: RecordCursor
  private var hashes = InlineArray<16, KeyHash.Value>(repeating: (0, 0))
  private var made = 0
  private var taken = 0

  init(_ records: RecordBytes) {
    base = records.region.base
    cursor = records.makeCursor()
  }

  /// The hash of the next record's key; of no meaning where it has none.
  @inline(always)
  mutating func next(_ map: borrowing OffsetMap) -> KeyHash.Value {
    while made &- taken < Self.distance, cursor.advance() {
      let record = cursor.record
      if record.keyCount >= 0 {
        let key = UnsafeRawBufferPointer(start: base + record.keyStart, count: record.keyCount)
        hashes[made & (Self.distance &- 1)] = map.prefetch(key)
      }
      made &+= 1
    }
    defer { taken &+= 1 }
    return hashes[taken & (Self.distance &- 1)]
  }
}
