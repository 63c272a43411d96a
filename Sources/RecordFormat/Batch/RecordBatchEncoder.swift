/// Turns records into the bytes of a batch. Two passes: the first measures, so that the caller can make exactly that
/// much room; the second writes into it.
@usableFromInline
package enum RecordBatchEncoder {
  /// What the first pass found.
  @frozen @usableFromInline
  package struct Measure: Sendable {
    /// Bytes of the records, without the header.
    @usableFromInline package var payloadSize: Int
    @usableFromInline package var recordCount: Int
    @usableFromInline package var baseTimestamp: Int64
    @usableFromInline package var maxTimestamp: Int64
    /// The first record that has no key, which a compacted topic refuses.
    @usableFromInline package var firstNullKey: Int?
    /// The first record whose timestamp lies outside of the bounds that were given.
    @usableFromInline package var firstBadTimestamp: Int?

    @inlinable
    init(
      payloadSize: Int, recordCount: Int, baseTimestamp: Int64, maxTimestamp: Int64, firstNullKey: Int? = nil,
      firstBadTimestamp: Int? = nil
    ) {
      self.payloadSize = payloadSize
      self.recordCount = recordCount
      self.baseTimestamp = baseTimestamp
      self.maxTimestamp = maxTimestamp
      self.firstNullKey = firstNullKey
      self.firstBadTimestamp = firstBadTimestamp
    }

    /// Bytes of the batch, header and all, where it is not compressed.
    @inlinable package var batchSize: Int { RecordBatchHeader.size + payloadSize }
  }

  /// Measures `records`. A record without a timestamp gets `now`; others are checked against `accepted`, but for -1,
  /// which means "none" in Kafka and is always accepted.
  package static func measure(
    _ records: Span<Record>, now: Int64, accepted: ClosedRange<Int64>
  ) -> Measure {
    var result = Measure(payloadSize: 0, recordCount: records.count, baseTimestamp: -1, maxTimestamp: .min)
    for index in records.indices {
      let timestamp = records[index].timestamp ?? now
      if index == 0 { result.baseTimestamp = timestamp }
      if timestamp > result.maxTimestamp { result.maxTimestamp = timestamp }
      if timestamp != -1, !accepted.contains(timestamp), result.firstBadTimestamp == nil {
        result.firstBadTimestamp = index
      }
      if records[index].key == nil, result.firstNullKey == nil { result.firstNullKey = index }
      let body = bodySize(
        timestampDelta: timestamp &- result.baseTimestamp, offsetDelta: index,
        keyCount: records[index].key?.count ?? -1, valueCount: records[index].value?.count ?? -1,
        headers: records[index].headers)
      result.payloadSize += Varint.size(Int64(body)) + body
    }
    return result
  }

  /// Writes what `measure` measured, with the same `now`. Returns the end.
  @discardableResult
  package static func store(
    _ records: Span<Record>, measured measure: Measure, now: Int64, at start: UnsafeMutableRawPointer
  ) -> UnsafeMutableRawPointer {
    var pointer = start
    // How many bytes a record's length takes is known once the record is written. Records of a batch are much alike, so
    // the last one's is guessed, and the record moved where that was wrong. Not for the batch's last record: behind it
    // there may be no room for a guess that is too large.
    var lengthSize = 1
    for index in records.indices {
      let delta = (records[index].timestamp ?? now) &- measure.baseTimestamp
      if index == records.count - 1 {
        lengthSize = Varint.size(
          Int64(
            bodySize(
              timestampDelta: delta, offsetDelta: index, keyCount: records[index].key?.count ?? -1,
              valueCount: records[index].value?.count ?? -1, headers: records[index].headers)))
      }
      var lengthPlace = pointer
      let guessed = pointer + lengthSize
      pointer = guessed
      storeAttributesAndDeltas(timestampDelta: delta, offsetDelta: index, at: &pointer)
      storeBytes(records[index].key, at: &pointer)
      storeBytes(records[index].value, at: &pointer)
      storeHeaders(records[index].headers, at: &pointer)
      let body = pointer - guessed
      let needed = Varint.size(Int64(body))
      if needed != lengthSize {
        (lengthPlace + needed).copyMemory(from: guessed, byteCount: body)
        pointer += needed - lengthSize
        lengthSize = needed
      }
      Varint.store(Int64(body), at: &lengthPlace)
    }
    assert(pointer - start == measure.payloadSize, "the two passes disagree")
    return pointer
  }

  /// Measures a batch of the one record given in parts.
  @inlinable @inline(always)
  package static func measure(
    key: RawSpan?, value: RawSpan?, headers: [RecordHeader], timestamp: Int64?, now: Int64,
    accepted: ClosedRange<Int64>
  ) -> Measure {
    let time = timestamp ?? now
    let body = bodySize(
      timestampDelta: 0, offsetDelta: 0, keyCount: key?.byteCount ?? -1, valueCount: value?.byteCount ?? -1,
      headers: headers)
    return Measure(
      payloadSize: Varint.size(Int64(body)) + body, recordCount: 1, baseTimestamp: time, maxTimestamp: time,
      firstNullKey: key == nil ? 0 : nil, firstBadTimestamp: time != -1 && !accepted.contains(time) ? 0 : nil)
  }

  /// Writes the one record that was measured. Returns the end.
  @inlinable @inline(always) @discardableResult
  package static func store(
    key: RawSpan?, value: RawSpan?, headers: [RecordHeader], at start: UnsafeMutableRawPointer
  ) -> UnsafeMutableRawPointer {
    var pointer = start
    let body = bodySize(
      timestampDelta: 0, offsetDelta: 0, keyCount: key?.byteCount ?? -1, valueCount: value?.byteCount ?? -1,
      headers: headers)
    storePrologue(body: body, timestampDelta: 0, offsetDelta: 0, at: &pointer)
    storeBytes(key, at: &pointer)
    storeBytes(value, at: &pointer)
    storeHeaders(headers, at: &pointer)
    return pointer
  }

  // MARK: One record

  @inlinable @inline(always)
  static func bodySize(
    timestampDelta: Int64, offsetDelta: Int, keyCount: Int, valueCount: Int, headers: [RecordHeader]
  ) -> Int {
    1 + Varint.size(timestampDelta) + Varint.size(Int64(offsetDelta))
      + Varint.size(Int64(keyCount)) + max(keyCount, 0)
      + Varint.size(Int64(valueCount)) + max(valueCount, 0)
      + (headers.isEmpty ? 1 : headersSize(headers))
  }

  @usableFromInline
  static func headersSize(_ headers: [RecordHeader]) -> Int {
    var size = Varint.size(Int64(headers.count))
    for index in headers.indices {
      let keyCount = headers[index].key.utf8.count
      let valueCount = headers[index].value?.count ?? -1
      size += Varint.size(Int64(keyCount)) + keyCount + Varint.size(Int64(valueCount)) + max(valueCount, 0)
    }
    return size
  }

  @inlinable @inline(always)
  static func storePrologue(
    body: Int, timestampDelta: Int64, offsetDelta: Int, at pointer: inout UnsafeMutableRawPointer
  ) {
    Varint.store(Int64(body), at: &pointer)
    storeAttributesAndDeltas(timestampDelta: timestampDelta, offsetDelta: offsetDelta, at: &pointer)
  }

  @inlinable @inline(always)
  static func storeAttributesAndDeltas(
    timestampDelta: Int64, offsetDelta: Int, at pointer: inout UnsafeMutableRawPointer
  ) {
    pointer.storeBytes(of: 0, as: UInt8.self)  // a record's attributes: none are defined
    pointer += 1
    Varint.store(timestampDelta, at: &pointer)
    Varint.store(Int64(offsetDelta), at: &pointer)
  }

  @inlinable @inline(always)
  static func storeBytes(_ bytes: [UInt8]?, at pointer: inout UnsafeMutableRawPointer) {
    guard let bytes else {
      Varint.store(-1, at: &pointer)
      return
    }
    Varint.store(Int64(bytes.count), at: &pointer)
    bytes.withUnsafeBytes { source in
      if let base = source.baseAddress { copy(base, source.count, to: pointer) }
    }
    pointer += bytes.count
  }

  @inlinable @inline(always)
  static func storeBytes(_ bytes: RawSpan?, at pointer: inout UnsafeMutableRawPointer) {
    guard let bytes else {
      Varint.store(-1, at: &pointer)
      return
    }
    Varint.store(Int64(bytes.byteCount), at: &pointer)
    bytes.withUnsafeBytes { source in
      if let base = source.baseAddress { copy(base, source.count, to: pointer) }
    }
    pointer += bytes.byteCount
  }

  /// Keys are short: one of 8 to 16 bytes is copied as two words, which may overlap, without a call.
  @inlinable @inline(always)
  static func copy(_ source: UnsafeRawPointer, _ count: Int, to target: UnsafeMutableRawPointer) {
    guard count >= 8, count <= 16 else { return target.copyMemory(from: source, byteCount: count) }
    let first = source.loadUnaligned(as: UInt64.self)
    let last = source.loadUnaligned(fromByteOffset: count &- 8, as: UInt64.self)
    target.storeBytes(of: first, as: UInt64.self)
    target.storeBytes(of: last, toByteOffset: count &- 8, as: UInt64.self)
  }

  @inlinable @inline(always)
  static func storeHeaders(
    _ headers: [RecordHeader], at pointer: inout UnsafeMutableRawPointer
  ) {
    if headers.isEmpty {
      pointer.storeBytes(of: 0, as: UInt8.self)
      pointer += 1
    } else {
      storeSomeHeaders(headers, at: &pointer)
    }
  }

  @usableFromInline
  static func storeSomeHeaders(
    _ headers: [RecordHeader], at pointer: inout UnsafeMutableRawPointer
  ) {
    Varint.store(Int64(headers.count), at: &pointer)
    for index in headers.indices {
      var key = headers[index].key
      key.withUTF8 { utf8 in
        Varint.store(Int64(utf8.count), at: &pointer)
        if let base = utf8.baseAddress { pointer.copyMemory(from: base, byteCount: utf8.count) }
        pointer += utf8.count
      }
      storeBytes(headers[index].value, at: &pointer)
    }
  }
}
