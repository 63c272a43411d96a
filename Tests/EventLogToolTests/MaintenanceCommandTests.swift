import EventLog
import Foundation
import Testing

@Suite("The tool: retention and compaction")
struct MaintenanceCommandTests {
  private func store(_ configs: [String: String]) throws -> TemporaryDirectory {
    let store = try TemporaryDirectory()
    let broker = try Broker.open(store.path)
    try broker.admin.createTopic("t", configs: configs)
    var configuration = ProducerConfiguration()
    configuration.acks = .leader
    let producer = try broker.producer(configuration)
    for number in 0..<40 {
      try producer.append(
        ProducerRecord(
          topic: "t", key: "key \(number % 4)", value: String(repeating: "x", count: 100),
          timestamp: number < 20 ? 1000 : nil))
    }
    try broker.close()
    return store
  }

  @Test("retention --dry-run says what would go and why; without it, just that goes")
  func retention() throws {
    let store = try store(["segment.bytes": "1000", "retention.ms": "100000"])
    let planned = try Tool.run("retention", "--dir", store.path, "--dry-run", "--json")
    #expect(planned.status == 0)
    let lines = planned.lines
    #expect(
      !lines.isEmpty
        && lines.allSatisfy { $0.contains("\"reason\":\"retention.ms\"") && $0.contains("\"deleted\":false") })
    let done = try Tool.run("retention", "--dir", store.path, "--topic", "t")
    #expect(done.status == 0 && done.text.contains("\(lines.count) segment"))
    #expect(try Tool.run("retention", "--dir", store.path, "--dry-run").text.contains("0 segments would be deleted"))
    #expect(try Tool.run("retention", "--dir", store.path, "--topic", "none").status == 1)
  }

  @Test("compact reports sizes before and after, and refuses topics that are not compacted")
  func compact() throws {
    let store = try store(["cleanup.policy": "compact"])
    let done = try Tool.run("compact", "--dir", store.path, "--topic", "t", "--partition", "0", "--json")
    #expect(done.status == 0)
    #expect(done.text.contains("\"recordsRead\":40,\"recordsKept\":4"))
    #expect(try Tool.run("compact", "--dir", store.path, "--topic", "t", "--partition", "9").status == 1)
    #expect(try Tool.run("verify", store.path).status == 0)
    #expect(try Tool.run("compact", "--dir", store.path).status == 64)
    let plain = try self.store([:])
    #expect(try Tool.run("compact", "--dir", plain.path, "--topic", "t").status == 1)
  }
}
