internal import CEventLog
internal import Glibc

/// The latest offset of each key, in memory of a fixed size: 24 bytes an entry, open addressing (Kafka's
/// `SkimpyOffsetMap`). Keys are known by their hashes alone.
package struct OffsetMap: ~Copyable {
  private struct Entry: BitwiseCopyable {
    var high: UInt64
    var low: UInt64
    /// The offset and one; 0 is an empty slot, as fresh memory is.
    var next: Int64
  }

  package static let entrySize = 24

  private let entries: UnsafeMutablePointer<Entry>
  private let slots: Int
  private let hash: KeyHash
  /// How many keys there may be.
  package let capacity: Int
  package private(set) var count = 0
  /// The last offset that was taken in, whatever came of it; what lies behind it is not known here.
  package private(set) var latestOffset: Int64 = -1

  /// - Parameters:
  ///   - bytes: the most memory.
  ///   - expected: no more keys than this will come.
  ///   - loadFactor: the share of the slots that may be used.
  package init(bytes: Int, expected: Int, loadFactor: Double = 0.9, hash: KeyHash) throws(EventLogError) {
    let most = max(2, bytes / Self.entrySize)
    let wanted = Double(max(1, expected)) / loadFactor + 2
    slots = wanted < Double(most) ? Int(wanted) : most
    capacity = max(1, min(slots - 1, Int(Double(slots) * loadFactor)))
    self.hash = hash
    guard let memory = calloc(slots, Self.entrySize) else {
      throw EventLogError(
        .inputOutput,
        "there are no \(slots * Self.entrySize) bytes of memory for the cleaner's map; lower "
          + "log.cleaner.dedupe.buffer.size", errno: ENOMEM)
    }
    entries = memory.bindMemory(to: Entry.self, capacity: slots)
  }

  deinit {
    free(entries)
  }

  package var isFull: Bool { count >= capacity }

  /// Where the search for a key begins.
  @inline(always)
  private func home(of value: KeyHash.Value) -> Int {
    Int(truncatingIfNeeded: value.0.multipliedFullWidth(by: UInt64(truncatingIfNeeded: slots)).high)
  }

  /// Where the key is, or the empty slot where it would be.
  @inline(always)
  private func slot(of value: KeyHash.Value) -> Int {
    var index = home(of: value)
    while true {
      let entry = entries[index]
      if entry.next == 0 || (entry.high == value.0 && entry.low == value.1) { return index }
      index &+= 1
      if index == slots { index = 0 }
    }
  }

  /// The key's hash. Its entry is on its way from memory when this returns: whoever asks for some keys ahead of their use
  /// does not wait for each.
  @inline(always)
  func prefetch(_ key: UnsafeRawBufferPointer) -> KeyHash.Value {
    let value = hash(key)
    cel_prefetch(entries + home(of: value))
    return value
  }

  /// Offsets come in their order. The caller asks `isFull` before.
  @inline(always)
  package mutating func put(_ key: UnsafeRawBufferPointer, _ offset: Int64) {
    put(hash(key), offset)
  }

  @inline(always)
  mutating func put(_ value: KeyHash.Value, _ offset: Int64) {
    let index = slot(of: value)
    if entries[index].next == 0 {
      precondition(count < capacity, "the map is full")
      count &+= 1
    }
    entries[index] = Entry(high: value.0, low: value.1, next: offset &+ 1)
    latestOffset = offset
  }

  /// The key's latest offset; -1 where it is not known.
  @inline(always)
  package func offset(of key: UnsafeRawBufferPointer) -> Int64 { offset(of: hash(key)) }

  @inline(always)
  func offset(of value: KeyHash.Value) -> Int64 { entries[slot(of: value)].next &- 1 }

  /// Says that everything up to `offset` was taken in.
  package mutating func passed(_ offset: Int64) {
    latestOffset = max(latestOffset, offset)
  }
}

extension OffsetMap {
  /// Takes in the keys of a batch's records, from the offset `start` on.
  ///
  /// - Returns: false where the map became full before the batch's end; `latestOffset` says how far it came.
  /// - Throws: `invalidRecord` or `corruptMessage` where the records are not what the header says.
  package mutating func add(_ batch: RecordBatchView, from start: Int64) throws(EventLogError) -> Bool {
    let records = try batch.records()
    var keys = KeysAhead(records)
    var cursor = records.makeCursor()
    while cursor.advance() {
      let record = cursor.record
      let key = keys.next(self)
      let offset = batch.header.baseOffset &+ Int64(record.offsetDelta)
      guard record.keyCount >= 0, offset >= start else { continue }
      guard !isFull else { return false }
      put(key, offset)
    }
    if cursor.isBroken { throw records.brokenError() }
    return true
  }
}
