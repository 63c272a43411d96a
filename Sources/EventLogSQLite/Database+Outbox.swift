public import GRDB
internal import Foundation

extension Database {
  /// Puts a record into the outbox, as part of the transaction that is under way: it goes into the log if the transaction
  /// commits, exactly once, and never if it does not.
  ///
  /// ```swift
  /// try await database.write { db in
  ///   try order.insert(db)
  ///   try db.enqueue(ProducerRecord(topic: "orders", key: order.customer, value: "created"))
  /// }
  /// ```
  ///
  /// A record without a timestamp gets that of this call. An `OutboxRelay` moves what was committed.
  ///
  /// - Parameter outbox: an application may have several; each has a relay of its own. Order is kept within one.
  /// - Throws: `illegalArgument` for a negative partition; `illegalState` where the tables are missing; GRDB's errors.
  public func enqueue(_ record: ProducerRecord, outbox: String = "outbox") throws {
    if let partition = record.partition, partition < 0 {
      throw EventLogError(
        .illegalArgument, "a partition can't be negative", topic: record.topic, partition: partition)
    }
    let headers = record.record.headers
    let encoded =
      headers.isEmpty ? nil : String(decoding: try JSONEncoder().encode(headers.map(StoredHeader.init)), as: UTF8.self)
    try EventLogTables.explaining {
      try cachedStatement(
        sql: """
          INSERT INTO eventlog_outbox (outbox, topic, partition, "key", value, headers, timestamp)
          VALUES (?, ?, ?, ?, ?, ?, ?)
          """
      ).execute(arguments: [
        outbox, record.topic, record.partition, record.record.key.map { Data($0) },
        record.record.value.map { Data($0) },
        encoded, record.record.timestamp ?? Int64(Date().timeIntervalSince1970 * 1000),
      ])
    }
  }
}

/// A header as it lies in the outbox.
struct StoredHeader: Codable {
  var key: String
  var value: Data?

  init(_ header: RecordHeader) {
    key = header.key
    value = header.value.map { Data($0) }
  }

  var header: RecordHeader { RecordHeader(key, value.map { Array($0) }) }
}
