/// What a control batch says: the marker that ends a transaction on a partition (KIP-98).
package struct ControlRecord: Sendable, Equatable {
  /// Kafka's `ControlRecordType`. The others (leader change, snapshots, KRaft) mean nothing in a data partition.
  package enum Kind: Sendable, Hashable {
    case abort
    case commit
    case other(Int16)

    package var code: Int16 {
      switch self {
      case .abort: 0
      case .commit: 1
      case .other(let code): code
      }
    }
  }

  package var kind: Kind
  /// The epoch of the coordinator that wrote the marker; nil where the value is not a transaction marker's.
  package var coordinatorEpoch: Int32?

  package init(kind: Kind, coordinatorEpoch: Int32?) {
    self.kind = kind
    self.coordinatorEpoch = coordinatorEpoch
  }

  /// The key of the record: version 0, and the kind.
  package var key: [UInt8] {
    var bytes: [UInt8] = []
    bytes.appendBigEndian(Int16(0))
    bytes.appendBigEndian(kind.code)
    return bytes
  }

  /// The value of a transaction's marker: version 0, and the coordinator's epoch.
  package var value: [UInt8] {
    var bytes: [UInt8] = []
    bytes.appendBigEndian(Int16(0))
    bytes.appendBigEndian(coordinatorEpoch ?? 0)
    return bytes
  }

  /// Reads the one record of a control batch.
  package init(decoding batch: RecordBatchView) throws(EventLogError) {
    let records = try batch.records()
    var cursor = records.makeCursor()
    guard cursor.advance() else { throw records.brokenError() }
    let record = cursor.record
    guard record.keyCount >= 4 else {
      throw EventLogError(
        .invalidRecord, "the key of a control record has \(record.keyCount) bytes, not 4",
        offset: batch.header.baseOffset)
    }
    let key = records.region.base + record.keyStart
    switch key.loadBigEndian(2, as: Int16.self) {
    case 0: kind = .abort
    case 1: kind = .commit
    case let code: kind = .other(code)
    }
    if kind == .abort || kind == .commit, record.valueCount >= 6 {
      coordinatorEpoch = (records.region.base + record.valueStart).loadBigEndian(2, as: Int32.self)
    } else {
      coordinatorEpoch = nil
    }
  }
}
