import ArgumentParser
import EventLog

struct DumpCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "dump", abstract: "Show what segment files hold: .log, .index, .timeindex, .txnindex, .snapshot.",
    discussion: "Of Kafka's files and of ours. Exits with 1 where something is damaged.")

  @Argument(help: "The files.") var files: [String]
  @Flag(help: "Print the records too.") var records = false
  @Flag(help: "Print JSON.") var json = false

  func run() throws {
    var isDamaged = false
    do {
      for file in files {
        do {
          try dump(file, &isDamaged)
        } catch let error as EventLogError {
          // The other files are shown all the same.
          Terminal.error("eventlog: \(error)")
          isDamaged = true
        }
      }
    } catch is OutputClosed {}
    if isDamaged { throw ExitCode.failure }
  }

  private func dump(_ file: String, _ isDamaged: inout Bool) throws {
    var output = Terminal.Output()
    if !json { try output.line("\(file)") }
    var failure: EventLogError?
    do {
      try LogFileDump(path: file).forEachEntry(records: records) { entry in
        if case .invalid = entry { isDamaged = true }
        if case .batch(let batch) = entry, !batch.isValid { isDamaged = true }
        try output.line(json ? JSON(entry).text : Self.describe(entry))
        if records, case .batch(let batch) = entry {
          for record in batch.records { try output.line(json ? JSON(record).text : Self.describe(record, in: batch)) }
        }
      }
    } catch let error as EventLogError {
      failure = error
    }
    // What could be shown comes before what is wrong.
    try output.flush()
    if let failure { throw failure }
  }

  private static func describe(_ entry: LogFileDump.Entry) -> String {
    switch entry {
    case .batch(let batch):
      var text =
        "baseOffset: \(batch.baseOffset) lastOffset: \(batch.lastOffset) count: \(batch.recordCount) baseSequence: "
        + "\(batch.baseSequence) lastSequence: \(batch.lastSequence) producerId: \(batch.producerID) producerEpoch: "
        + "\(batch.producerEpoch) partitionLeaderEpoch: \(batch.partitionLeaderEpoch) isTransactional: "
        + "\(batch.isTransactional) isControl: \(batch.isControl) position: \(batch.position) \(batch.timestampType.name): "
        + "\(batch.maxTimestamp) size: \(batch.sizeInBytes) compresscodec: \(batch.compression.name) crc: \(batch.crc) "
        + "isvalid: \(batch.isValid)"
      if let horizon = batch.deleteHorizon { text += " deleteHorizonMs: \(horizon)" }
      if let control = batch.controlType { text += Self.describe(control: control, of: batch) }
      return text
    case .offset(let offset, let position): return "offset: \(offset) position: \(position)"
    case .time(let timestamp, let offset): return "timestamp: \(timestamp) offset: \(offset)"
    case .abortedTransaction(let producer, let first, let last, let stable):
      return "version: 0 producerId: \(producer) firstOffset: \(first) lastOffset: \(last) lastStableOffset: \(stable)"
    case .producer(let producer):
      var text =
        "producerId: \(producer.producerID) producerEpoch: \(producer.producerEpoch) coordinatorEpoch: "
        + "\(producer.coordinatorEpoch) currentTxnFirstOffset: "
        + "\(producer.currentTransactionFirstOffset.map(String.init) ?? "None") lastTimestamp: \(producer.lastTimestamp)"
      if let batch = producer.lastBatch {
        text +=
          " firstSequence: \(batch.firstSequence) lastSequence: \(batch.lastSequence) lastOffset: \(batch.lastOffset) "
          + "offsetDelta: \(batch.offsetDelta)"
      }
      return text
    case .unwritten(let position, let bytes): return "unwritten: \(bytes) bytes from position \(position)"
    case .invalid(let position, let reason): return "INVALID at position \(position): \(reason)"
    }
  }

  private static func describe(control: String, of batch: LogFileDump.Batch) -> String {
    " endTxnMarker: \(control)" + (batch.coordinatorEpoch.map { " coordinatorEpoch: \($0)" } ?? "")
  }

  private static func describe(_ record: ConsumerRecord, in batch: LogFileDump.Batch) -> String {
    let start =
      "| offset: \(record.offset) \(record.timestampType.name): \(record.timestamp) keySize: \(record.serializedKeySize) "
      + "valueSize: \(record.serializedValueSize) sequence: \(sequence(of: record, in: batch)) "
      + "headerKeys: [\(record.headers.map(\.key).joined(separator: ","))]"
    if let control = batch.controlType { return start + describe(control: control, of: batch) }
    return start + " key: \(record.keyString ?? "null") payload: \(record.valueString ?? "null")"
  }

  /// Numbers go on with 0 behind the largest; -1 where the batch has none.
  private static func sequence(of record: ConsumerRecord, in batch: LogFileDump.Batch) -> Int {
    guard batch.baseSequence >= 0 else { return -1 }
    return (batch.baseSequence &+ Int(truncatingIfNeeded: record.offset &- batch.baseOffset)) & Int(Int32.max)
  }
}

extension JSON {
  init(_ entry: LogFileDump.Entry) {
    switch entry {
    case .batch(let batch):
      self = .object([
        ("position", .number(batch.position)), ("size", .number(batch.sizeInBytes)),
        ("baseOffset", .number(batch.baseOffset)), ("lastOffset", .number(batch.lastOffset)),
        ("count", .number(batch.recordCount)), ("partitionLeaderEpoch", .number(batch.partitionLeaderEpoch)),
        ("compression", .string(batch.compression.name)), ("timestampType", .string(batch.timestampType.name)),
        ("maxTimestamp", .number(batch.maxTimestamp)), ("producerId", .number(batch.producerID)),
        ("producerEpoch", .number(batch.producerEpoch)), ("baseSequence", .number(batch.baseSequence)),
        ("lastSequence", .number(batch.lastSequence)), ("isTransactional", .bool(batch.isTransactional)),
        ("isControl", .bool(batch.isControl)), ("controlType", .optional(batch.controlType)),
        ("coordinatorEpoch", batch.coordinatorEpoch.map { .number(Int64($0)) } ?? .null),
        ("deleteHorizonMs", batch.deleteHorizon.map(JSON.number) ?? .null), ("crc", .number(Int64(batch.crc))),
        ("isValid", .bool(batch.isValid)),
      ])
    case .offset(let offset, let position):
      self = .object([("offset", .number(offset)), ("position", .number(position))])
    case .time(let timestamp, let offset):
      self = .object([("timestamp", .number(timestamp)), ("offset", .number(offset))])
    case .abortedTransaction(let producer, let first, let last, let stable):
      self = .object([
        ("producerId", .number(producer)), ("firstOffset", .number(first)), ("lastOffset", .number(last)),
        ("lastStableOffset", .number(stable)),
      ])
    case .producer(let producer):
      self = .object([
        ("producerId", .number(producer.producerID)), ("producerEpoch", .number(Int64(producer.producerEpoch))),
        ("coordinatorEpoch", .number(Int64(producer.coordinatorEpoch))),
        ("currentTxnFirstOffset", producer.currentTransactionFirstOffset.map(JSON.number) ?? .null),
        ("lastTimestamp", .number(producer.lastTimestamp)),
        ("firstSequence", producer.lastBatch.map { .number(Int64($0.firstSequence)) } ?? .null),
        ("lastSequence", producer.lastBatch.map { .number(Int64($0.lastSequence)) } ?? .null),
        ("lastOffset", producer.lastBatch.map { .number($0.lastOffset) } ?? .null),
        ("offsetDelta", producer.lastBatch.map { .number(Int64($0.offsetDelta)) } ?? .null),
      ])
    case .unwritten(let position, let bytes):
      self = .object([("unwritten", .number(bytes)), ("position", .number(position))])
    case .invalid(let position, let reason):
      self = .object([("invalid", .string(reason)), ("position", .number(position))])
    }
  }
}
