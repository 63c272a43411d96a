internal import RecordFormat

/// The producers with an id that wrote to a partition, and its transactions: what refuses a batch that is out of order,
/// recognizes one that comes a second time, and says how far a reader with `read_committed` may go (Kafka's class of the
/// same name).
///
/// Lives under the partition's lock. The producer that came last is at hand, so that one that appends again and again costs
/// neither a look-up nor a reference.
struct ProducerStateManager: Sendable {
  /// A transaction that ended, whose marker may not be seen yet.
  private struct Ended {
    var firstOffset: Int64
    var lastOffset: Int64
  }

  enum Verdict {
    /// To be appended, with this sequence number.
    case append(sequence: Int32)
    /// It was appended before.
    case duplicate(ProducerEntry.Batch)
  }

  private var entries: ContiguousArray<ProducerEntry> = []
  private var places: [Int64: Int] = [:]
  private var lastPlace = -1
  /// The open transactions, by their first offsets.
  private var ongoing: [(producerID: Int64, firstOffset: Int64)] = []
  /// Transactions whose end is not visible: the high watermark has not passed their markers.
  private var hidden: [Ended] = []

  var isEmpty: Bool { entries.isEmpty }
  /// Whether the high watermark's next move is of interest.
  var hasHidden: Bool { !hidden.isEmpty }

  /// The first offset that a reader with `read_committed` may not see; `Int64.max` where there is none.
  var firstUnstable: Int64 {
    var first = ongoing.first?.firstOffset ?? .max
    for transaction in hidden where transaction.firstOffset < first { first = transaction.firstOffset }
    return first
  }

  // MARK: Appending

  @inline(always)
  private mutating func place(of id: Int64) -> Int? {
    if lastPlace >= 0, entries[lastPlace].producerID == id { return lastPlace }
    guard let place = places[id] else { return nil }
    lastPlace = place
    return place
  }

  private mutating func placeOrNew(_ id: Int64, epoch: Int16) -> Int {
    if let place = place(of: id) { return place }
    entries.append(ProducerEntry(producerID: id, epoch: epoch))
    places[id] = entries.count - 1
    lastPlace = entries.count - 1
    return lastPlace
  }

  /// Whether a batch of `count` records may be appended, by Kafka's rules.
  ///
  /// - Throws: `invalidProducerEpoch` for one that was fenced, `outOfOrderSequenceNumber`, and `invalidTransactionState`
  ///   for a plain batch of a producer whose transaction is open.
  @inline(always)
  mutating func check(_ stamp: ProducerStamp, count: Int) throws(EventLogError) -> Verdict {
    guard let place = place(of: stamp.id) else {
      // Of a producer that is not known, any number may be the first: what it wrote before may have been deleted.
      return .append(sequence: max(stamp.sequence, 0))
    }
    guard stamp.epoch == entries[place].epoch else { return try checkNewEpoch(stamp, entries[place]) }
    let last = entries[place].lastBatch?.lastSequence ?? -1
    let due = last == Int32.max ? 0 : last + 1
    if stamp.sequence != due, stamp.sequence != ProducerStamp.following {
      let end = SequenceNumber.add(Int32(truncatingIfNeeded: count - 1), to: stamp.sequence)
      if let known = entries[place].batch(from: stamp.sequence, to: end) { return .duplicate(known) }
      throw outOfOrder(stamp, due: due)
    }
    if entries[place].transactionStart >= 0, !stamp.isTransactional {
      throw EventLogError(
        .invalidTransactionState, "producer \(stamp.id) has a transaction open here, and writes outside of it")
    }
    return .append(sequence: due)
  }

  private func checkNewEpoch(_ stamp: ProducerStamp, _ entry: ProducerEntry) throws(EventLogError) -> Verdict {
    guard stamp.epoch > entry.epoch else { throw fenced(stamp.id, stamp.epoch, entry.epoch) }
    guard stamp.sequence <= 0 else { throw outOfOrder(stamp, due: 0) }
    guard entry.transactionStart < 0 || stamp.isTransactional else {
      throw EventLogError(
        .invalidTransactionState, "producer \(stamp.id) has a transaction open here, and writes outside of it")
    }
    return .append(sequence: 0)
  }

  private func fenced(_ id: Int64, _ epoch: Int16, _ current: Int16) -> EventLogError {
    EventLogError(
      .invalidProducerEpoch,
      "producer \(id) has epoch \(epoch), but epoch \(current) has been here: a newer one took its place, or its "
        + "transaction was ended for it")
  }

  private func outOfOrder(_ stamp: ProducerStamp, due: Int32) -> EventLogError {
    EventLogError(
      .outOfOrderSequenceNumber,
      "sequence number \(stamp.sequence) of producer \(stamp.id), epoch \(stamp.epoch), where \(due) is due")
  }

  /// Takes in a data batch that was appended, or that was found in the log.
  ///
  /// - Parameter now: the wall clock, for a batch that was just appended.
  @inline(always)
  mutating func add(_ header: RecordBatchHeader, now: Int64 = .min) {
    let place = placeOrNew(header.producerID, epoch: header.producerEpoch)
    entries[place].setEpoch(header.producerEpoch)
    entries[place].add(
      ProducerEntry.Batch(
        lastSequence: header.lastSequence, offsetDelta: header.lastOffsetDelta, lastOffset: header.lastOffset,
        timestamp: header.maxTimestamp))
    entries[place].lastTimestamp = header.maxTimestamp
    entries[place].lastAppend = now
    if header.attributes.isTransactional, entries[place].transactionStart < 0 {
      entries[place].transactionStart = header.baseOffset
      ongoing.append((header.producerID, header.baseOffset))
    }
  }

  // MARK: Markers

  /// Whether a marker may be appended.
  ///
  /// - Throws: `invalidProducerEpoch`, `transactionCoordinatorFenced`.
  func checkMarker(_ id: Int64, epoch: Int16, coordinatorEpoch: Int32) throws(EventLogError) {
    guard let place = places[id] else { return }
    guard epoch >= entries[place].epoch else { throw fenced(id, epoch, entries[place].epoch) }
    guard coordinatorEpoch >= entries[place].coordinatorEpoch else {
      throw EventLogError(
        .transactionCoordinatorFenced,
        "the marker is of coordinator epoch \(coordinatorEpoch), but one of epoch "
          + "\(entries[place].coordinatorEpoch) has been here")
    }
  }

  /// Takes in a marker.
  ///
  /// - Parameter isVisible: whether it is below the high watermark, as all is that was found in the log.
  /// - Returns: what it aborted, if it aborted anything.
  mutating func end(
    _ header: RecordBatchHeader, _ marker: ControlRecord, isVisible: Bool, now: Int64 = .min
  ) -> AbortedTransaction? {
    guard marker.kind == .commit || marker.kind == .abort else { return nil }
    let place = placeOrNew(header.producerID, epoch: header.producerEpoch)
    // A newer epoch fences the older: its next batch begins with sequence number 0.
    entries[place].setEpoch(header.producerEpoch)
    entries[place].lastTimestamp = header.maxTimestamp
    entries[place].lastAppend = now
    entries[place].coordinatorEpoch = marker.coordinatorEpoch ?? entries[place].coordinatorEpoch
    let first = entries[place].transactionStart
    guard first >= 0 else { return nil }
    entries[place].transactionStart = -1
    ongoing.removeAll { $0.producerID == header.producerID }
    if !isVisible { hidden.append(Ended(firstOffset: first, lastOffset: header.lastOffset)) }
    guard marker.kind == .abort else { return nil }
    return AbortedTransaction(
      producerID: header.producerID, firstOffset: first, lastOffset: header.lastOffset,
      lastStableOffset: ongoing.first?.firstOffset ?? header.nextOffset)
  }

  /// Says how far everybody can see now.
  mutating func highWatermarkMoved(to offset: Int64) {
    hidden.removeAll { $0.lastOffset < offset }
  }

  // MARK: Looking

  /// Where the open transaction of a producer begins.
  func transactionStart(of id: Int64) -> Int64? {
    places[id].flatMap { entries[$0].transactionStart >= 0 ? entries[$0].transactionStart : nil }
  }

  /// The epoch of a producer, and the sequence number that is due.
  func next(of id: Int64) -> (epoch: Int16, sequence: Int32)? {
    guard let place = places[id] else { return nil }
    let last = entries[place].lastBatch?.lastSequence ?? -1
    return (entries[place].epoch, last == Int32.max ? 0 : last + 1)
  }

  /// All producers, by their ids.
  var states: [ProducerState] {
    entries.map(ProducerState.init).sorted { $0.producerID < $1.producerID }
  }

  // MARK: Forgetting

  /// Forgets producers that have not written for `expiration` milliseconds, but never one whose transaction is open.
  mutating func expire(now: Int64, after expiration: Int64, keeping kept: Set<Int64>) {
    let isGone = { (entry: ProducerEntry) -> Bool in
      entry.transactionStart < 0 && !kept.contains(entry.producerID)
        && now.subtractingReportingOverflow(max(entry.lastTimestamp, entry.lastAppend)).partialValue >= expiration
    }
    guard entries.contains(where: isGone) else { return }
    entries.removeAll(where: isGone)
    places = Dictionary(uniqueKeysWithValues: entries.indices.map { (entries[$0].producerID, $0) })
    lastPlace = -1
  }

  // MARK: Snapshots

  /// What a `.snapshot` file keeps: of each producer the last batch.
  var snapshot: ProducerSnapshot {
    ProducerSnapshot(
      entries: entries.map { entry in
        let batch = entry.lastBatch
        return ProducerSnapshot.Entry(
          producerID: entry.producerID, producerEpoch: entry.epoch, lastSequence: batch?.lastSequence ?? -1,
          lastOffset: batch?.lastOffset ?? -1, offsetDelta: batch?.offsetDelta ?? 0, timestamp: entry.lastTimestamp,
          coordinatorEpoch: entry.coordinatorEpoch, transactionStart: entry.transactionStart)
      }.sorted { $0.producerID < $1.producerID })
  }

  init() {}

  init(_ snapshot: ProducerSnapshot) {
    for saved in snapshot.entries where saved.producerID >= 0 && places[saved.producerID] == nil {
      var entry = ProducerEntry(
        producerID: saved.producerID, epoch: saved.producerEpoch, lastTimestamp: saved.timestamp)
      entry.coordinatorEpoch = saved.coordinatorEpoch
      entry.transactionStart = saved.transactionStart
      if saved.lastOffset >= 0 {
        entry.add(
          ProducerEntry.Batch(
            lastSequence: saved.lastSequence, offsetDelta: saved.offsetDelta, lastOffset: saved.lastOffset,
            timestamp: saved.timestamp))
      }
      places[saved.producerID] = entries.count
      entries.append(entry)
      if saved.transactionStart >= 0 { ongoing.append((saved.producerID, saved.transactionStart)) }
    }
    ongoing.sort { $0.firstOffset < $1.firstOffset }
  }
}

/// What a log says of a producer that has an id: idempotent or transactional.
package struct ProducerState: Sendable, Equatable {
  package var producerID: Int64
  package var producerEpoch: Int16
  /// -1 where the epoch has written no batch yet.
  package var lastSequence: Int32
  /// Of the last batch or marker; milliseconds since 1970.
  package var lastTimestamp: Int64
  /// Of the coordinator that wrote the last marker.
  package var coordinatorEpoch: Int32?
  /// The first offset of the transaction that is open.
  package var transactionStart: Int64?

  init(_ entry: ProducerEntry) {
    producerID = entry.producerID
    producerEpoch = entry.epoch
    lastSequence = entry.lastBatch?.lastSequence ?? -1
    lastTimestamp = entry.lastTimestamp
    coordinatorEpoch = entry.coordinatorEpoch >= 0 ? entry.coordinatorEpoch : nil
    transactionStart = entry.transactionStart >= 0 ? entry.transactionStart : nil
  }
}
