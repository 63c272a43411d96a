import EventLog
import RecordFormat

/// What a store says that it must not, or does not say that it must.
struct Mismatch: Error, CustomStringConvertible {
  var description: String
  init(_ description: String) { self.description = description }
}

/// What a store has to hold after whatever happened to it, said simply: records have numbers of their own, and the model
/// knows which was sent where, which was promised, and what may have been taken away.
struct BrokerModel {
  enum Fate { case open, aborted, committed, unknown }

  struct Sent {
    var partition: TopicPartition
    var key: String?
    var value: String?
    var transaction: Int?
  }

  struct Transaction {
    var fate = Fate.open
    var group: String
    var offset: (partition: TopicPartition, value: Int64)?
    /// What its group may have committed of that partition before it was ended.
    var before: Set<Int64> = []
  }

  struct Partition {
    /// Which record was said to be at an offset.
    var acknowledged: [Int64: Int] = [:]
    /// Of those, the ones that a power cut must leave.
    var durable: Set<Int> = []
    /// Where the log may begin.
    var start: ClosedRange<Int64> = 0...0
  }

  /// What was read of a partition.
  struct View {
    struct Item: Equatable {
      var offset: Int64
      var epoch: Int32
      var number: Int
      var key: String?
      var value: String?
    }
    var start: Int64
    var end: Int64
    var all: [Item] = []
    var committed: [Item] = []
  }

  struct Place: Hashable {
    var partition: TopicPartition
    var offset: Int64
    var epoch: Int32
  }

  static let compacted = "table"

  var sent: [Int: Sent] = [:]
  var partitions: [TopicPartition: Partition] = [:]
  var transactions: [Int: Transaction] = [:]
  /// How many partitions a topic may have; 0 where it may be missing.
  var topics: [String: Set<Int>] = [:]
  /// Which offsets a group may have committed; none is -1.
  var offsets: [String: [TopicPartition: Set<Int64>]] = [:]
  /// Which record was read at an offset with a leader epoch.
  var seen: [Place: Int] = [:]
  /// What producers with a name have sent to a partition, by sequence number.
  var streams: [TopicPartition: [Int]] = [:]

  // MARK: What happens

  mutating func acknowledge(_ number: Int, at offset: Int64, isDurable: Bool) throws {
    guard let partition = sent[number]?.partition else { return }
    if let other = partitions[partition]?.acknowledged[offset] {
      throw Mismatch("\(partition): offset \(offset) was given to record \(other), and then to \(number)")
    }
    partitions[partition, default: .init()].acknowledged[offset] = number
    if isDurable { partitions[partition]?.durable.insert(number) }
  }

  mutating func commit(_ id: Int) {
    transactions[id]?.fate = .committed
    for (number, record) in sent where record.transaction == id {
      guard partitions[record.partition]?.acknowledged.values.contains(number) == true else { continue }
      partitions[record.partition]?.durable.insert(number)
    }
    guard let transaction = transactions[id], let offset = transaction.offset else { return }
    offsets[transaction.group, default: [:]][offset.partition] = [offset.value]
  }

  mutating func forget(_ topic: String) {
    partitions = partitions.filter { $0.key.topic != topic }
    sent = sent.filter { $0.value.partition.topic != topic }
    streams = streams.filter { $0.key.topic != topic }
    seen = seen.filter { $0.key.partition.topic != topic }
  }

  // MARK: What must be

  /// What was read at any time: an offset that a power cut took back is given out again under another leader epoch.
  ///
  /// - Parameter isOver: whether a stop ended what was under way.
  mutating func see(_ views: [TopicPartition: View], isOver: Bool, keepsAll: Bool = true) throws {
    for (partition, view) in views.sorted(by: { "\($0.key)" < "\($1.key)" }) {
      try checkRecords(partition, view, keepsAll: keepsAll)
      for item in view.all {
        let place = Place(partition: partition, offset: item.offset, epoch: item.epoch)
        if let other = seen.updateValue(item.number, forKey: place), other != item.number {
          throw Mismatch(
            "\(partition): records \(other) and \(item.number) were both read at \(item.offset), epoch \(item.epoch)")
        }
      }
      guard !isOver else { continue }
      for item in view.committed {
        guard let id = sent[item.number]?.transaction, transactions[id]?.fate != .committed else { continue }
        guard transactions[id]?.fate != .unknown else { continue }
        throw Mismatch("\(partition): record \(item.number) is shown, and its transaction \(id) is not committed")
      }
    }
  }

  /// Compares the store with the model after a stop. What is there from then on is durable: it was shown.
  ///
  /// - Parameters:
  ///   - committed: what groups have committed.
  ///   - keepsAll: whether the page cache survived.
  mutating func check(
    _ views: [TopicPartition: View], _ committed: [String: [TopicPartition: Int64]], keepsAll: Bool
  ) throws {
    try resolve(views, committed)
    for (partition, view) in views.sorted(by: { "\($0.key)" < "\($1.key)" }) {
      try checkIsolation(partition, view)
      try checkPromises(partition, view, keepsAll: keepsAll)
      if partition.topic == Self.compacted { try checkTable(partition, view) }
      var now = Partition(start: view.start...view.start)
      for item in view.all { now.acknowledged[item.offset] = item.number }
      now.durable = Set(view.all.map(\.number))
      partitions[partition] = now
    }
  }

  private func checkRecords(_ partition: TopicPartition, _ view: View, keepsAll: Bool) throws {
    let start = partitions[partition]?.start ?? 0...0
    guard start.contains(view.start) || (!keepsAll && hasLostItsFirst(partition, view)) else {
      throw Mismatch("\(partition) begins at \(view.start), not in \(start)")
    }
    for items in [view.all, view.committed] {
      var last = view.start - 1
      for item in items {
        guard item.offset > last, item.offset < view.end else {
          throw Mismatch("\(partition): offset \(item.offset) after \(last), with the end at \(view.end)")
        }
        last = item.offset
        guard let record = sent[item.number], record.partition == partition else {
          throw Mismatch("\(partition), offset \(item.offset): record \(item.number) was never sent there")
        }
        guard record.key == item.key, record.value == item.value else {
          throw Mismatch("\(partition), offset \(item.offset): record \(item.number) has other bytes")
        }
      }
      guard Set(items.map(\.number)).count == items.count else {
        let twice = Dictionary(grouping: items, by: \.number).filter { $0.value.count > 1 }
        throw Mismatch("\(partition): twice in the log: \(twice.keys.sorted())")
      }
    }
  }

  /// Whether a power cut may have had the log begin as late as that: of segments none of which was ever on the disk it may
  /// have kept the later one's name alone.
  private func hasLostItsFirst(_ partition: TopicPartition, _ view: View) -> Bool {
    guard let known = partitions[partition], view.start > known.start.upperBound else { return false }
    // No more than a record each, and a marker each of the transactions, has ever been there.
    let most = sent.values.count { $0.partition == partition } + transactions.count
    guard view.start <= Int64(most) else { return false }
    return known.acknowledged.allSatisfy { offset, number in
      offset >= view.start || offset < known.start.upperBound || !known.durable.contains(number)
    }
  }

  /// A stop aborts what is open; what nobody knows of, the store has to say, and all its partitions the same.
  ///
  /// - Parameter committed: what groups have committed.
  private mutating func resolve(
    _ views: [TopicPartition: View], _ committed: [String: [TopicPartition: Int64]]
  ) throws {
    let unknown = Dictionary(grouping: transactions.values.filter { $0.fate == .unknown }, by: \.group)
    for (id, transaction) in transactions.sorted(by: { $0.key < $1.key }) {
      if transaction.fate == .open { transactions[id]?.fate = .aborted }
      guard transaction.fate == .unknown else { continue }
      var says: Set<Bool> = []
      for view in views.values {
        let shown = Set(view.committed.map(\.number))
        for item in view.all where sent[item.number]?.transaction == id { says.insert(shown.contains(item.number)) }
      }
      guard says.count < 2 else { throw Mismatch("transaction \(id) is there in part") }
      // Where it left no record, its group's offset may tell, if nothing else can have brought that about.
      if says.isEmpty, let offset = transaction.offset, !transaction.before.contains(offset.value),
        unknown[transaction.group]?.count == 1, committed[transaction.group]?[offset.partition] == offset.value
      {
        says = [true]
      }
      if says == [true] { commit(id) } else { transactions[id]?.fate = .aborted }
    }
  }

  private func isHidden(_ number: Int) -> Bool {
    guard let id = sent[number]?.transaction else { return false }
    return transactions[id]?.fate != .committed
  }

  private func checkIsolation(_ partition: TopicPartition, _ view: View) throws {
    let expected = view.all.filter { !isHidden($0.number) }
    guard expected != view.committed else { return }
    let shown = Set(view.committed.map(\.number))
    let due = Set(expected.map(\.number))
    throw Mismatch(
      "\(partition), read_committed: missing \(due.subtracting(shown).sorted()), not to be shown "
        + "\(shown.subtracting(due).sorted())")
  }

  /// What was promised is where it was said to be; of the rest a power cut leaves what comes before the first that it took.
  private func checkPromises(_ partition: TopicPartition, _ view: View, keepsAll: Bool) throws {
    guard let known = partitions[partition] else { return }
    let there = Dictionary(uniqueKeysWithValues: view.all.map { ($0.offset, $0.number) })
    var latest: [String?: Int64] = [:]
    for item in view.committed { latest[item.key] = item.offset }
    // A tombstone that cannot be lost takes all before it along, and goes itself some time later.
    for (offset, number) in known.acknowledged where keepsAll || known.durable.contains(number) {
      guard let record = sent[number], record.value == nil, !isHidden(number) else { continue }
      latest[record.key] = max(latest[record.key, default: -1], offset)
    }
    var lost: (offset: Int64, number: Int)?
    for (offset, number) in known.acknowledged.sorted(by: { $0.key < $1.key }) where offset >= view.start {
      if there[offset] == number {
        // Of segments that were never on the disk a power cut may keep a later one; where there is compaction, what is missing
        // before it could be what was cleaned.
        guard let lost, partition.topic != Self.compacted || known.durable.contains(number) else { continue }
        throw Mismatch(
          "\(partition): record \(number) at \(offset) is there, and \(lost.number) at \(lost.offset) is not")
      }
      if partition.topic == Self.compacted, let record = sent[number],
        record.value == nil || isHidden(number) || latest[record.key, default: -1] > offset
      {
        continue
      }
      guard !keepsAll, !known.durable.contains(number) else {
        let what = known.durable.contains(number) ? "was durable" : "was acknowledged, and the machine went on"
        throw Mismatch(
          "\(partition): record \(number) at \(offset) \(what), and is not there; the log is \(view.start)..<\(view.end)"
        )
      }
      lost = lost ?? (offset, number)
    }
  }

  /// The last value of each key that was promised is there, or a later one.
  private func checkTable(_ partition: TopicPartition, _ view: View) throws {
    guard let known = partitions[partition] else { return }
    var latest: [String: View.Item] = [:]
    for item in view.committed { if let key = item.key { latest[key] = item } }
    var due: [String: (offset: Int64, number: Int)] = [:]
    for (offset, number) in known.acknowledged.sorted(by: { $0.key < $1.key }) where known.durable.contains(number) {
      if !isHidden(number), let key = sent[number]?.key { due[key] = (offset, number) }
    }
    for (key, last) in due {
      if let item = latest[key], item.offset >= last.offset { continue }
      if sent[last.number]?.value == nil, latest[key] == nil { continue }
      throw Mismatch("\(partition): of \(key), record \(last.number) at \(last.offset) or a later one is due")
    }
  }

  mutating func check(offset: Int64, of group: String, _ partition: TopicPartition, end: Int64) throws {
    let possible = offsets[group]?[partition] ?? [-1]
    guard possible.contains(offset) else {
      throw Mismatch("group \(group) is at \(offset) of \(partition), not at one of \(possible.sorted())")
    }
    guard offset <= end else { throw Mismatch("group \(group) is at \(offset) of \(partition), which ends at \(end)") }
    offsets[group, default: [:]][partition] = [offset]
  }

  /// How far a producer with a name has come: it is due to know of all that is there or was promised.
  mutating func check(sequence: Int, of partition: TopicPartition, _ promised: Set<Int>) throws {
    let stream = streams[partition] ?? []
    let least = (stream.lastIndex { promised.contains($0) } ?? -1) + 1
    guard sequence >= least, sequence <= stream.count else {
      throw Mismatch("\(partition): the producer is at \(sequence), not in \(least)...\(stream.count)")
    }
    streams[partition] = Array(stream.prefix(sequence))
  }
}
