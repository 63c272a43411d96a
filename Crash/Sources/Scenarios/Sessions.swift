import EventLog

/// Sessions that use a few of many partitions, and end in order as well as by kills: what was acknowledged is there, a partition
/// that nobody used is as it was, and no offset is given out a second time under the same leader epoch.
struct Sessions: Scenario {
  static let name = "sessions"
  private static let partitions = 24
  static let topics = [
    Topic("many", partitions: partitions, ["segment.bytes": "16384", "index.interval.bytes": "512"])
  ]

  // MARK: In the child

  static func work(_ child: Child) async throws {
    var generator = child.generator(0)
    for session in 0... {
      let broker = try child.open()
      child.isOpen()
      for burst in 0..<Int.random(in: 1...5, using: &generator) {
        let isDurable = Bool.random(using: &generator)
        try await send(
          Int.random(in: 1...8, using: &generator), to: Int.random(in: 0..<partitions, using: &generator),
          isDurable ? .all : .leader, [session, burst], broker, child)
      }
      try broker.close()
    }
  }

  /// Sends records to a partition, and reads them.
  private static func send(
    _ count: Int, to partition: Int, _ acks: Acks, _ part: [Int], _ broker: Broker, _ child: Child
  ) async throws {
    let producer = try broker.producer(ProducerConfiguration(acks: acks))
    let isPromised = acks == .all || !child.losesPower
    var first: Int64?
    for number in 0..<count {
      let value = Payload.bytes(child.round, part[0], part[1], number)
      // The plant: it tells of records that it never sends.
      if child.isPlanted, number == 3 { child.say("sent", partition, Int(first ?? 0) + 3, part[0], part[1], 3) }
      if child.isPlanted, number > 2 { continue }
      let metadata = try await producer.send(ProducerRecord(topic: "many", partition: partition, value: value))
      first = first ?? metadata.offset
      if isPromised { child.say("sent", partition, Int(metadata.offset), part[0], part[1], number) }
    }
    try await producer.close()
    let consumer = try broker.consumer(ConsumerConfiguration())
    try consumer.assign([TopicPartition("many", partition)])
    try consumer.seek(TopicPartition("many", partition), to: first ?? 0)
    for record in try consumer.read() {
      guard let numbers = Payload.numbers(record.value) else {
        throw Violation("many-\(partition), offset \(record.offset)", expected: "bytes that were sent", found: "others")
      }
      child.say(
        "seen", partition, Int(record.offset), Int(record.leaderEpoch), numbers[0], numbers[1], numbers[2], numbers[3])
    }
    try await consumer.close()
  }

  // MARK: In the parent

  /// A record, by its numbers: the round, the session, the burst, and which of that.
  private typealias ID = [Int]

  private struct Place: Hashable {
    var partition: Int
    var offset: Int
  }

  private struct Given: Hashable {
    var place: Place
    var epoch: Int
  }

  private var sent: [ID: Place] = [:]
  private var seen: [Given: ID] = [:]

  init(_ context: Context) {}

  mutating func note(_ statement: Statement, round: Int) throws {
    let place = Place(partition: statement[0], offset: statement[1])
    if statement.word == "sent" {
      sent[[round, statement[2], statement[3], statement[4]]] = place
    } else {
      try see(Given(place: place, epoch: statement[2]), (3..<7).map { statement[$0] })
    }
  }

  /// Once anybody has seen a record, nobody may be shown another one at its offset under its epoch.
  private mutating func see(_ given: Given, _ id: ID) throws {
    let known = seen.updateValue(id, forKey: given) ?? id
    try hold(
      known == id, "many-\(given.place.partition), offset \(given.place.offset) under epoch \(given.epoch)",
      expected: "record \(known), which was seen there", found: "\(id)")
  }

  mutating func check(_ broker: Broker) async throws {
    var next = [Int: Int]()
    var epochs = [Int: Int]()
    var found = 0
    try broker.forEachRecord(of: "many") { record in
      let partition = record.partition
      let place = Place(partition: partition, offset: Int(record.offset))
      try hold(
        place.offset == next[partition, default: 0], "many-\(partition)",
        expected: "offset \(next[partition, default: 0])",
        found: "\(place.offset)")
      next[partition] = place.offset + 1
      try hold(
        Int(record.leaderEpoch) >= epochs[partition, default: 0], "many-\(partition), offset \(place.offset)",
        expected: "epoch \(epochs[partition, default: 0]) or a later one", found: "\(record.leaderEpoch)")
      epochs[partition] = Int(record.leaderEpoch)
      guard let id = Payload.numbers(record.value), id.count == 4 else {
        throw Violation(
          "many-\(partition), offset \(place.offset)", expected: "bytes that were sent",
          found: record.valueString ?? "null")
      }
      try see(Given(place: place, epoch: Int(record.leaderEpoch)), id)
      guard let acknowledged = sent[id] else { return }
      found += 1
      try hold(
        acknowledged == place, "record \(id)",
        expected: "many-\(acknowledged.partition), offset \(acknowledged.offset)",
        found: "many-\(partition), offset \(place.offset)")
    }
    try hold(
      found == sent.count, "records that were acknowledged", expected: "\(sent.count)", found: "\(found)")
  }
}
