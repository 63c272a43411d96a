import CPeers
import EventLog
import Foundation

/// Work in a process of its own, because it is to be killed, or because its memory is measured.
enum Child {
  /// `fill CONTENDER DIRECTORY BYTES`: writes, says so, and waits to be killed.
  /// `partitions CONTENDER DIRECTORY COUNT create|open|look`: prints the seconds it took to open them, bytes of memory,
  /// appends a second, and the seconds it took to close them.
  /// `write CONTENDER DIRECTORY COUNT WRITTEN`: opens so many, appends to some, says so, and waits to be killed.
  static func run(_ arguments: [String]) async throws {
    guard arguments.count >= 4, let number = Int(arguments[3]) else { exit(64) }
    let peer = Peer.all.first { $0.name == arguments[1] }
    switch arguments[0] {
    case "fill": try fill(peer, arguments[2], bytes: number)
    case "partitions":
      let isNew = arguments.last == "create"
      let rounds = isNew ? 1 : arguments.last == "look" ? 0 : 50
      let measured = try partitions(peer, arguments[2], count: number, isNew: isNew, rounds: rounds)
      print(measured.map { String($0) }.joined(separator: " "))
    case "write":
      guard arguments.count == 5, let written = Int(arguments[4]) else { exit(64) }
      _ = try partitions(peer, arguments[2], count: number, isNew: false, rounds: 1, written: written)
    default: exit(64)
    }
  }

  /// Starts a child, reads its first line, kills it if it has not ended by itself. nil where it failed.
  static func start(_ arguments: [String], kills: Bool) throws -> String? {
    let process = Process()
    process.executableURL = URL(filePath: CommandLine.arguments[0])
    process.arguments = ["--child"] + arguments
    let output = Pipe()
    process.standardOutput = output
    try process.run()
    var line = Data()
    while !line.contains(10) {
      let next = output.fileHandleForReading.availableData
      guard !next.isEmpty else { break }
      line.append(next)
    }
    if kills { kill(process.processIdentifier, SIGKILL) }
    process.waitUntilExit()
    guard line.contains(10) else { return nil }
    return String(decoding: line, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
  }

  private static func say(_ text: String) {
    print(text)
    fflush(nil)
  }

  // MARK: fill

  static let valueSize = 1024
  static let partitionCount = 16

  private static func fill(_ peer: Peer?, _ directory: String, bytes: Int) throws {
    let payload = Payload(valueSize)
    let batches = max(partitionCount, bytes / (valueSize + 24) / 100)
    if let peer {
      // A server is there as soon as it answers.
      if peer.isServer { _ = try peer.reopen(directory).connect() }
      let store = try peer.open(directory, .unsynced)
      let session = try store.connect()
      var record = payload.record
      for _ in 0..<batches { try session.append(&record, count: 100) }
      wait()
      withExtendedLifetime((store, session)) {}
    } else {
      let (broker, producer) = try Workloads.open(directory, acks: .leader, partitions: partitionCount)
      let records = (0..<100).map { _ in Record(key: payload.key, value: payload.value) }
      for batch in 0..<batches { try producer.append(records, to: TopicPartition("t", batch % partitionCount)) }
      wait()
      withExtendedLifetime(broker) {}
    }
  }

  private static func wait() {
    say("filled")
    sleep(600)
  }

  // MARK: partitions

  /// - Parameter written: to how many is appended, where this waits to be killed afterwards.
  private static func partitions(
    _ peer: Peer?, _ directory: String, count: Int, isNew: Bool, rounds: Int, written: Int? = nil
  ) throws -> [Double] {
    let payload = Payload(100)
    let before = residentBytes()
    if let peer, let open = peer.functions.open_partitions, let append = peer.functions.append_to {
      var store: UnsafeMutableRawPointer?
      let time = seconds { store = open(directory, count) }
      guard let store else { throw PeerError(description: "\(peer.name): partitions can't be opened") }
      let memory = residentBytes() - before
      var record = payload.record
      var failed = false
      let appending = seconds {
        for _ in 0..<rounds {
          for partition in 0..<(written ?? count) where append(store, partition, &record) != 0 { failed = true }
        }
      }
      if written != nil { wait() }
      guard !failed else { throw PeerError(description: "\(peer.name): append failed") }
      let closing = seconds { peer.functions.close_partitions(store) }
      return [time, memory / Double(count), Double(rounds * count) / appending, closing]
    }
    var broker: Broker?
    let time = try seconds {
      broker = try Broker.open(directory + "/eventlog")
      if isNew { try broker?.admin.createTopic("t", partitions: count) }
    }
    guard let broker else { return [] }
    let memory = residentBytes() - before
    let producer = try broker.producer(ProducerConfiguration(acks: .leader))
    let (key, value) = (payload.key, payload.value)
    let appending = try seconds {
      for _ in 0..<rounds {
        for partition in 0..<(written ?? count) {
          try producer.append(to: TopicPartition("t", partition), key: key.span.bytes, value: value.span.bytes)
        }
      }
    }
    if written != nil { wait() }
    let closing = try seconds { try broker.close() }
    return [time, memory / Double(count), Double(rounds * count) / appending, closing]
  }

  private static func residentBytes() -> Double {
    let text = (try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8)) ?? ""
    let pages = text.split(separator: " ").dropFirst().first.flatMap { Double($0) } ?? 0
    return pages * Double(sysconf(Int32(_SC_PAGESIZE)))
  }
}
