import CPeers
import EventLog
import Foundation

/// A process writes and is killed; how long until another has opened what it left, and read from it?
extension Workloads {
  static func opening(_ size: Size) -> [Workload] {
    let bytes = size.count(2 << 30)
    return [
      Workload(
        id: "reopen",
        name: "reopen after kill -9, \(size.scale == 1 ? "2 GB" : "\(bytes >> 20) MiB"), 16 partitions, 1 KiB",
        measures: [.seconds("until the first record is read"), .seconds("until it is open")], rounds: 3,
        targets: [.peer("RocksDB", 2), .peer("Redis", 2)],
        contenders: [
          .init(name: "EventLog", kind: .eventLog) { directory in
            guard try Child.start(["fill", "EventLog", directory, "\(bytes)"], kills: true) != nil else { return nil }
            var broker: Broker?
            var opened = 0.0
            let time = try seconds {
              opened = try seconds { broker = try Broker.open(directory + "/eventlog") }
              let consumer = try broker?.consumer()
              try consumer?.assign((0..<Child.partitionCount).map { TopicPartition("t", $0) })
              try consumer?.seekToBeginning()
              guard try consumer?.read().isEmpty == false else { throw PeerError(description: "nothing was read") }
            }
            try broker?.close()
            return [time, opened]
          }
        ]
          + peers(.unsynced, where: { !$0.isServer }) { peer, directory in
            guard try Child.start(["fill", peer.name, directory, "\(bytes)"], kills: true) != nil else { return nil }
            return try timesToReopen(peer, directory)
          }
          + peers(.unsynced, where: { $0.name.hasPrefix("Redis") }) { peer, directory in
            do {
              return try reopenRedis(peer, directory, bytes)
            } catch let error as PeerError {
              print("  \(peer.name) is left out: \(error.description)")
              return nil
            }
          })
    ]
  }

  private static func timesToReopen(_ peer: Peer, _ directory: String) throws -> [Double] {
    // What closing takes is not part of it.
    var opened: (PeerStore, PeerSession)?
    var opening = 0.0
    let time = try seconds {
      opening = try seconds {
        let store = try peer.reopen(directory)
        opened = (store, try store.connect())
      }
      guard try opened?.1.receive(1) == 1 else { throw PeerError(description: "\(peer.name): nothing was read") }
    }
    withExtendedLifetime(opened) {}
    return [time, opening]
  }

  /// With a server of its own, since it is to be killed.
  private static func reopenRedis(_ peer: Peer, _ directory: String, _ bytes: Int) throws -> [Double]? {
    guard let shared = getenv("BENCHMARK_REDIS_SOCKET").map({ String(cString: $0) }) else { return nil }
    defer { setenv("BENCHMARK_REDIS_SOCKET", shared, 1) }
    setenv("BENCHMARK_REDIS_SOCKET", directory + "/redis", 1)
    let arguments = [
      "redis-server", "--port", "0", "--unixsocket", directory + "/redis", "--dir", directory, "--appendonly", "yes",
      "--appendfsync", "no", "--save", "", "--auto-aof-rewrite-percentage", "0",
    ]
    func start() throws -> Process {
      let process = Process()
      process.executableURL = URL(filePath: "/usr/bin/env")
      process.arguments = arguments
      process.standardOutput = FileHandle.nullDevice
      try process.run()
      return process
    }
    let first = try start()
    let filled = try Child.start(["fill", peer.name, directory, "\(bytes)"], kills: true)
    kill(first.processIdentifier, SIGKILL)
    first.waitUntilExit()
    guard filled != nil else { return nil }
    var second: Process?
    // Closing, which empties the server, is not part of it.
    var opened: (PeerStore, PeerSession)?
    defer {
      withExtendedLifetime(opened) {}
      opened = nil
      if let second {
        kill(second.processIdentifier, SIGKILL)
        second.waitUntilExit()
      }
    }
    var opening = 0.0
    let time = try seconds {
      opening = try seconds {
        second = try start()
        let store = try peer.reopen(directory)
        opened = (store, try store.connect())
      }
      guard try opened?.1.receive(1) == 1 else { throw PeerError(description: "Redis: nothing was read") }
    }
    return [time, opening]
  }
}
