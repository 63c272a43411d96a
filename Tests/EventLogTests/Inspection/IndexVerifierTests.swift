import EventLog
import EventLogTesting
import Foundation
import Testing

/// A log of several segments, closed in order.
private struct RolledStore: StoreFiles {
  let directory: TemporaryDirectory
  var path: String { directory("store") }

  /// - Parameter segmentBytes: so that an opening reads the last segment as a whole, or by its indexes.
  init(segmentBytes: Int = 9000) throws {
    directory = try TemporaryDirectory()
    let broker = try Broker.open(path)
    let configs = ["segment.bytes": "\(segmentBytes)", "index.interval.bytes": "1000"]
    try broker.admin.createTopic("a", partitions: 1, configs: configs)
    let producer = try broker.producer()
    for number in 0..<(segmentBytes / 95) {
      try producer.append(ProducerRecord(topic: "a", value: String(repeating: "x", count: 200) + "\(number)"))
    }
    try broker.close()
  }

  func verify() throws -> StoreVerifier.Report { try StoreVerifier(path: path).run() }
}

@Suite("The check of offset and time indexes")
struct IndexVerifierTests {
  /// As a power cut leaves it: the last entry cut off, or zeros where something was.
  private static let tears: [@Sendable ([UInt8]) -> [UInt8]] = [
    { Array($0.dropLast()) },
    { [UInt8](repeating: 0, count: $0.count) },
    { $0.prefix($0.count / 2) + [UInt8](repeating: 0, count: $0.count - $0.count / 2) },
  ]

  @Test(
    "notes a torn one of the active segment, on the disk only once that is rolled: an append makes it anew, or a repair",
    arguments: [".index", ".timeindex"], 0..<3)
  func active(kind: String, tear: Int) throws {
    for segmentBytes in [9000, 40_000] {
      for mends in [append, repair] {
        let store = try RolledStore(segmentBytes: segmentBytes)
        let file = try #require(try store.files(kind).last)
        let bytes = try RolledStore.read(file)
        try RolledStore.write(Self.tears[tear](bytes), to: file)
        let report = try store.verify()
        #expect(report.faults == [])
        #expect(report.notes.map(\.file) == [file])
        #expect(report.notes.first?.message.contains("made anew from the log") == true)
        try mends(store)
        #expect(try store.verify().notes == [])
        #expect(try store.verify().faults == [])
      }
    }
  }

  private func append(_ store: RolledStore) throws {
    let broker = try Broker.open(store.path)
    try broker.producer().append(ProducerRecord(topic: "a", value: "one more"))
    try broker.close()
  }

  private func repair(_ store: RolledStore) throws {
    let report = try StoreRepair(path: store.path).run()
    #expect(report.findings.map(\.remedy) == ["made anew from the log"])
    #expect(report.isWhole)
  }

  @Test("notes entries of the active segment that lie behind the end of the log", arguments: [".index", ".timeindex"])
  func beyond(kind: String) throws {
    let store = try RolledStore()
    let file = try #require(try store.files(kind).last)
    let offsetEntry: [UInt8] = [0, 0, 0x70, 0, 0, 0, 0x70, 0]
    let entry = kind == ".index" ? offsetEntry : [0x70, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x70, 0]
    try RolledStore.write(try RolledStore.read(file) + entry, to: file)
    #expect(try store.verify().faults == [])
    #expect(try store.verify().notes.map(\.file) == [file])
  }

  @Test("finds one of a closed segment that is torn", arguments: [".index", ".timeindex"], 0..<3)
  func closed(kind: String, tear: Int) throws {
    let store = try RolledStore()
    let file = try #require(try store.files(kind).first)
    let bytes = try RolledStore.read(file)
    try RolledStore.write(Self.tears[tear](bytes), to: file)
    #expect(try store.verify().faults.map(\.file) == [file])
    #expect(try store.verify().notes == [])
  }

  @Test("finds an entry of the active segment that names no batch")
  func wrong() throws {
    let store = try RolledStore()
    let file = try #require(try store.files(".index").last)
    var bytes = try RolledStore.read(file)
    try #require(bytes.count >= 16)
    bytes[7] &-= 1
    try RolledStore.write(bytes, to: file)
    #expect(try store.verify().faults.map(\.file) == [file])
  }
}
