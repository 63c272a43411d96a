import EventLog
import Foundation

/// Many partitions: to make them, to open them, and to append to one after the other.
extension Workloads {
  static func partitions(_ size: Size) -> [Workload] {
    [1_000, 10_000].map { full in
      let count = max(20, full / size.scale)
      return Workload(
        id: "partitions-\(full)",
        name: "\(full) partitions: open, and append to each in turn, fifty times, acks=1, 100 B",
        measures: [
          .seconds("open"), .bytes("memory each"), .rate("appends a second"), .seconds("create"),
        ], rounds: 1,
        targets: [.peer("SQLite", 1), .peer("RocksDB", 1), .peer("RocksDB", 2, measure: 2)],
        contenders: [
          .init(name: "EventLog", kind: .eventLog) { directory in try partitions("EventLog", directory, count) }
        ]
          // RocksDB needs minutes to make a thousand column families, and with each more than for the one before.
          + peers(.unsynced, where: { $0.hasPartitions && (full == 1_000 || $0.name != "RocksDB") }) {
            peer, directory in
            try partitions(peer.name, directory, count)
          })
    }
  }

  private static func partitions(_ name: String, _ directory: String, _ count: Int) throws -> [Double]? {
    func run(_ how: String) throws -> [Double]? {
      try Child.start(["partitions", name, directory, "\(count)", how], kills: false)?.split(separator: " ")
        .compactMap { Double($0) }
    }
    guard let created = try run("create"), created.count == 3, let opened = try run("open"), opened.count == 3 else {
      print("  \(name): \(count) partitions: failed")
      return nil
    }
    return opened + [created[0]]
  }
}
