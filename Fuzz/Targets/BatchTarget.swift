import RecordFormat

/// One record batch: the header, the records in plain or compressed bytes, headers of records, control records.
///
/// The checksum is not compared, or hardly any input would get past it: what lies behind it must stand anything.
enum BatchTarget: FuzzTarget {
  static func run(_ bytes: UnsafeRawBufferPointer) {
    guard case .batch(let header) = RecordBatchCheck.header(bytes, available: bytes.count) else { return }
    let view = RecordBatchView(region: MemoryRegion(copying: bytes), start: 0, header: header)
    _ = view.hasValidChecksum
    _ = header.deleteHorizon
    _ = header.nextOffset
    _ = try? ControlRecord(decoding: view)
    guard let records = try? view.records(limit: 1 << 20) else { return }
    var cursor = records.makeCursor()
    var seen: Int64 = 0
    while cursor.advance() {
      let record = cursor.record
      precondition(record.keyStart >= 0 && record.keyStart + max(record.keyCount, 0) <= records.range.upperBound)
      precondition(record.valueStart >= 0 && record.valueStart + max(record.valueCount, 0) <= records.range.upperBound)
      seen += 1
    }
    precondition(cursor.isBroken || seen == Int64(header.recordCount), "records were passed over in silence")
    if header.attributes.compression == CompressionType.none { _ = try? RecordBatchCheck.records(of: view) }
  }
}
