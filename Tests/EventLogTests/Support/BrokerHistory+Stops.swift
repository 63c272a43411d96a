import EventLog
import EventLogTesting
import RecordFormat
import SegmentStore

extension BrokerHistory {
  // MARK: Stops

  private func arm(_ faults: FaultInjector) {
    let operation = FaultInjector.Operation.allCases[below(FaultInjector.Operation.allCases.count)]
    let nth = 1 + below(4)
    notes.append("the \(operation) number \(nth) fails, and all after it")
    faults.fail(operation, nth: nth, times: below(3) == 0 ? 1 : nil, with: below(4) == 0 ? .diskFull : .inputOutput)
  }

  /// Something fails from some call on, and a few steps later the power is cut, or the process killed.
  func failAndStop() async throws {
    isFaulty = true
    arm(broker.faults)
    for _ in 0...below(5) {
      switch below(13) {
      case ..<3: try await send()
      case 3: try await burst()
      case 4: try await sendByName()
      case ..<7: try await sendInTransaction()
      case 7: try await end()
      case 8: try await clean()
      case 9: try await changeTopics()
      case 10: try await deleteRecords()
      case 11: try await checkpoint()
      default: try await commitOffset()
      }
    }
    let stop: TestBroker.Stop = [.kill, .powerCut, .tornPowerCut, .tornPowerCut][below(4)]
    notes.append("\(stop)")
    try broker.restart(after: stop)
    try await check(keepsAll: stop == .kill)
  }

  func stop() async throws {
    let stop: TestBroker.Stop = [.close, .kill, .powerCut, .tornPowerCut, .tornPowerCut][below(5)]
    notes.append("\(stop)")
    try broker.restart(after: stop)
    try await check(keepsAll: !(stop == .powerCut || stop == .tornPowerCut))
  }

  /// A second stop while the opening mends what the first has done.
  func stopWhileOpening() async throws {
    let stops = [TestBroker.Stop.kill, .powerCut, .tornPowerCut]
    let (first, second) = (stops[below(3)], stops[below(3)])
    notes.append("\(first), and \(second) while it opens")
    try? broker.restart(after: first) { arm($0) }
    try broker.restart(after: second)
    try await check(keepsAll: first == .kill && second == .kill)
  }

  func finish() async throws {
    notes.append("close, at the end")
    try broker.restart()
    try await check(keepsAll: true)
    try broker.close()
  }

  // MARK: What is there

  func views() async throws -> [TopicPartition: BrokerModel.View] {
    for (topic, counts) in model.topics {
      let found = try broker.admin.listTopics().contains(topic) ? broker.admin.describeTopic(topic).partitions.count : 0
      guard counts.contains(found) else { throw Mismatch("\(topic) has \(found) partitions, not one of \(counts)") }
      model.topics[topic] = [found]
      if found == 0 { model.forget(topic) }
    }
    var views: [TopicPartition: BrokerModel.View] = [:]
    for (topic, counts) in model.topics {
      for number in 0..<(counts.first ?? 0) {
        let partition = TopicPartition(topic, number)
        let start = try broker.admin.listOffset(partition, .earliest)?.offset ?? -1
        views[partition] = .init(start: start, end: -1)
      }
    }
    for isolation in [Isolation.readUncommitted, .readCommitted] {
      var configuration = ConsumerConfiguration()
      configuration.isolation = isolation
      configuration.autoOffsetReset = .none
      let consumer = try broker.consumer(configuration)
      try consumer.assign(Array(views.keys))
      try consumer.seekToBeginning()
      var patience = 10_000
      while patience > 0 {
        patience -= 1
        let polled = try await consumer.poll(timeout: .zero)
        for record in polled {
          let item = BrokerModel.View.Item(
            offset: record.offset, epoch: record.leaderEpoch,
            number: record.header("n").flatMap { Int(String(decoding: $0, as: UTF8.self)) } ?? -1,
            key: record.keyString, value: record.valueString)
          if isolation == .readCommitted {
            views[record.topicPartition]?.committed.append(item)
          } else {
            views[record.topicPartition]?.all.append(item)
          }
        }
        if polled.isEmpty, try views.keys.allSatisfy({ try consumer.lag(of: $0) == 0 }) { break }
      }
      guard patience > 0 else { throw Mismatch("a consumer (\(isolation)) does not come to the end") }
      try await consumer.close()
    }
    // Afterwards: a sync that was under way may have moved it on meanwhile.
    for partition in views.keys {
      views[partition]?.end = try broker.admin.listOffset(partition, .latest)?.offset ?? -1
    }
    return views
  }

  /// Nobody but the broker touches its files: what it said was on the disk is there, and is what was written.
  private func checkWarnings() throws {
    let warnings = broker.warnings
    defer { readWarnings = warnings.count }
    for warning in warnings[readWarnings...] {
      for blame in ["was on the disk up to", "below the recovery point", "something outside"]
      where warning.message.contains(blame) {
        throw Mismatch("warning: \(warning)")
      }
    }
  }

  /// What a store is checked by finds nothing, whatever was done to it.
  private func checkFiles() throws {
    let faults = try StoreVerifier(path: broker.path).run().faults
    guard faults.isEmpty else { throw Mismatch("verify: \(faults.prefix(3))") }
  }

  private func check(keepsAll: Bool) async throws {
    isFaulty = false
    let promised = model.partitions.mapValues(\.durable)
    let views = try await views()
    try checkWarnings()
    try checkFiles()
    try model.see(views, isOver: true, keepsAll: keepsAll)
    let groups = ["g", "of t0", "of t1"]
    let committed = Dictionary(uniqueKeysWithValues: groups.map { ($0, broker.committed($0)) })
    try model.check(views, committed, keepsAll: keepsAll)
    for group in groups {
      for (partition, view) in views {
        try model.check(offset: committed[group]?[partition] ?? -1, of: group, partition, end: view.end)
      }
    }
    let producer = try named()
    for partition in [TopicPartition("plain", 0), TopicPartition("logs", 0)] {
      let sequence = Int(try producer.nextSequence(of: partition))
      let due = promised[partition, default: []].union(model.partitions[partition]?.durable ?? [])
      try model.check(sequence: sequence, of: partition, due)
    }
    try await makeProducers()
  }
}
