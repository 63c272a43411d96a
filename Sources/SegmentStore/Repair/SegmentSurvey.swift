internal import RecordFormat

/// What of a segment is right, what is damaged, and what is to be written in its place.
struct SegmentSurvey {
  /// What a repaired segment is made of.
  enum Piece {
    /// Bytes of the old file.
    case kept(Range<Int64>)
    /// A batch that was made right, or anew.
    case written([UInt8])
    /// The markers that a damage took, and of which it is known what they said.
    case markers(ofDamage: Int)
  }

  /// A marker that is made anew.
  struct Marker {
    var kind: ControlRecord.Kind
    var offset: Int64
    var producerID: Int64
    var epoch: Int16
  }

  struct Damage {
    var range: Range<Int64>
    var reason: String
    /// The offsets that nothing is left of; empty where nothing is lost.
    var offsets: Range<Int64>
    /// How many records were in it; nil where that is not known.
    var records: Int?
    /// What was done with it instead of taking it out; nil where it goes.
    var restored: String?
    var isZero = false
    /// A batch at the end that was not written to its end, and was acknowledged by no sync.
    var isTorn = false
    /// How many transactions were open there.
    var openTransactions = 0
    /// Those that are made anew.
    var markers: [Marker] = []
    var leaderEpoch: Int32 = 0
    var timestamp: Int64 = -1
    var isLoss: Bool { !isTorn && !offsets.isEmpty && restored == nil }

    /// The bytes of the markers, in the order of their offsets.
    var markerBytes: [UInt8] {
      markers.sorted { $0.offset < $1.offset }.flatMap {
        MarkerBatch.bytes(
          $0.kind, at: $0.offset, producerID: $0.producerID, producerEpoch: $0.epoch, leaderEpoch: leaderEpoch,
          timestamp: timestamp)
      }
    }
  }

  /// A fault to which there is no safe answer.
  struct Blocker {
    var position: Int64?
    var offset: Int64?
    var reason: String
  }

  let files: SegmentFiles
  var size: Int64 = 0
  var pieces: [Piece] = []
  var damages: [Damage] = []
  var blocker: Blocker?
  /// Batches that are right by their checksums, and whose records this build can't read.
  var unreadable: [Blocker] = []
  /// The offset behind the last batch that is right.
  var end: Int64
  /// The last leader epoch that was seen, for markers that are made anew.
  var leaderEpoch: Int32 = 0
  var timestamp: Int64 = -1

  var needsRewrite: Bool { blocker == nil && !damages.isEmpty }

  init(files: SegmentFiles) {
    self.files = files
    end = files.baseOffset
  }

  mutating func keep(_ range: Range<Int64>) {
    if case .kept(let last)? = pieces.last, last.upperBound == range.lowerBound {
      pieces[pieces.count - 1] = .kept(last.lowerBound..<range.upperBound)
    } else {
      pieces.append(.kept(range))
    }
  }

  mutating func note(_ header: RecordBatchHeader) {
    end = header.nextOffset
    leaderEpoch = max(leaderEpoch, header.partitionLeaderEpoch)
    timestamp = header.maxTimestamp
  }
}

/// The transactions that are open while a log is gone over.
struct OpenTransactions {
  struct Transaction {
    var firstOffset: Int64
    var epoch: Int16
  }

  private(set) var open: [Int64: Transaction] = [:]

  /// What was open where the log begins, as a snapshot there has it.
  mutating func restore(_ snapshot: ProducerSnapshot) {
    for entry in snapshot.entries where entry.transactionStart >= 0 {
      open[entry.producerID] = Transaction(firstOffset: entry.transactionStart, epoch: entry.producerEpoch)
    }
  }

  mutating func note(_ batch: RecordBatchView) {
    let header = batch.header
    guard header.attributes.isTransactional else { return }
    guard header.attributes.isControl else {
      let first = open[header.producerID]?.firstOffset ?? header.baseOffset
      open[header.producerID] = Transaction(firstOffset: first, epoch: header.producerEpoch)
      return
    }
    if header.recordCount > 0 { open[header.producerID] = nil }
  }

  /// Says that a transaction ended, and, where `next` is one, that another began there.
  mutating func close(_ producerID: Int64, next: Int64 = -1) {
    guard let transaction = open[producerID] else { return }
    open[producerID] = next < 0 ? nil : Transaction(firstOffset: next, epoch: transaction.epoch)
  }
}
