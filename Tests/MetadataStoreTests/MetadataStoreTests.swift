import Foundation
import GRDB
import MetadataStore
import RecordFormat
import Testing

@Suite("The metadata store")
struct MetadataStoreTests {
  private final class Directory: Sendable {
    let path = FileManager.default.temporaryDirectory.appendingPathComponent("eventlog-\(UUID().uuidString)").path
    init() throws { try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true) }
    deinit { try? FileManager.default.removeItem(atPath: path) }
    var file: String { path + "/" + MetadataStore.fileName }
  }

  private func topic(_ name: String, partitions: Int = 2) -> TopicMetadata {
    var generator = SystemRandomNumberGenerator()
    return TopicMetadata(
      id: TopicID(using: &generator), name: name, partitions: partitions, configs: ["retention.ms": "5"], createdAt: 1)
  }

  @Test("is synced at every commit, whatever the library under it would rather do")
  func synchronous() throws {
    let directory = try Directory()
    let store = try MetadataStore(path: directory.file)
    #expect(try store.pragma("synchronous") == "2")
    #expect(try store.pragma("journal_mode") == "wal")
    #expect(try store.pragma("foreign_keys") == "1")
    #expect(try store.pragma("trusted_schema") == "0")
    try store.close()
  }

  /// The pages in a write-ahead log since it was begun anew: their headers repeat its salt.
  private func frames(_ file: String) throws -> Int {
    let bytes = Array(try Data(contentsOf: URL(fileURLWithPath: file + "-wal")))
    guard bytes.count > 32 else { return 0 }
    return stride(from: 32, to: bytes.count - 24, by: 24 + 4096).count { bytes[($0 + 8)..<($0 + 16)] == bytes[16..<24] }
  }

  @Test("writes one page for an offset that was committed before, and begins its log anew after 256, which never grows")
  func commitsAreSmall() throws {
    let directory = try Directory()
    let store = try MetadataStore(path: directory.file)
    let made = topic("orders")
    try store.createTopic(made)
    let partition = PartitionID(made.id, 1)
    func size() throws -> Int {
      try FileManager.default.attributesOfItem(atPath: directory.file + "-wal")[.size] as? Int ?? 0
    }
    func commit(_ offset: Int64) throws {
      try store.commit([("g", [partition: CommittedOffset(offset: offset, committedAt: offset)])])
    }
    try commit(0)
    let reserved = try size()
    #expect(reserved >= 32 + 256 * (24 + 4096))
    let before = try frames(directory.file)
    try commit(1)
    #expect(try frames(directory.file) == before + 1)
    for offset in 2..<1000 {
      try commit(Int64(offset))
      #expect(try frames(directory.file) <= 260)
    }
    #expect(try size() == reserved)
    #expect(try store.committedOffsets() == ["g": [partition: CommittedOffset(offset: 999, committedAt: 999)]])
    try store.close()
  }

  @Test("has a write-ahead log of zeros that is read as empty, and what it holds after a crash as what it is")
  func zeros() throws {
    let directory = try Directory()
    let other = try Directory()
    let store = try MetadataStore(path: directory.file)
    let made = topic("orders")
    func crash() throws -> [TopicMetadata] {
      for suffix in ["", "-wal"] {
        let copy = other.file + suffix
        try? FileManager.default.removeItem(atPath: copy)
        try FileManager.default.copyItem(atPath: directory.file + suffix, toPath: copy)
      }
      try? FileManager.default.removeItem(atPath: other.file + "-shm")
      let copy = try MetadataStore(path: other.file)
      defer { try? copy.close() }
      return try copy.topics()
    }
    #expect(try crash().isEmpty)
    try store.createTopic(made)
    #expect(try crash().map(\.name) == ["orders"])
    let reader = try MetadataStore(path: directory.file, mode: .readOnly)
    #expect(try reader.topics().map(\.name) == ["orders"])
    try reader.close()
    try store.close()
    // A clean stop takes it away.
    #expect(!FileManager.default.fileExists(atPath: directory.file + "-wal"))
    let again = try MetadataStore(path: directory.file)
    #expect(try again.topics().map(\.name) == ["orders"])
    try again.close()
  }

  @Test("keeps topics, checkpoints, groups and offsets across reopenings")
  func keeps() throws {
    let directory = try Directory()
    let made = topic("orders")
    let partition = PartitionID(made.id, 1)
    let checkpoint = StoredCheckpoint(logStartOffset: 1, recoveryPoint: 5, logEndOffset: 9)
    let offset = CommittedOffset(offset: 7, leaderEpoch: 2, metadata: "é", committedAt: 3)
    let group = GroupMetadata(id: "g", generation: 4, protocolName: "range")
    do {
      let store = try MetadataStore(path: directory.file)
      #expect(try store.beginSession().wasClean)
      try store.createTopic(made)
      var change = MetadataChange()
      change.offsets = [("g", [partition: offset])]
      change.groups = [group]
      try store.write(change)
      #expect(try store.allocateProducerIDs(1000) == 1000..<2000, "those before are set aside for the session")
      try store.endSession([partition: checkpoint])
      try store.close()
    }
    let store = try MetadataStore(path: directory.file)
    #expect(try store.topics() == [made])
    #expect(try store.checkpoints() == [partition: checkpoint])
    #expect(try store.committedOffsets() == ["g": [partition: offset]])
    #expect(try store.groups() == [group])
    #expect(try store.allocateProducerIDs(1) == 2000..<2001)
    #expect(try store.beginSession().wasClean, "the last stop was clean")
    #expect(try !store.beginSession().wasClean, "this one is not over yet")
    #expect(try store.verify().isEmpty)
    try store.removeTopic(made.id)
    #expect(try store.committedOffsets().isEmpty)
    #expect(try store.checkpoints().isEmpty)
    try store.close()
  }

  @Test("refuses a topic that exists, and keeps nothing for one that does not")
  func topics() throws {
    let directory = try Directory()
    let store = try MetadataStore(path: directory.file)
    try store.createTopic(topic("a"))
    let error = #expect(throws: EventLogError.self) { try store.createTopic(topic("a")) }
    #expect(error?.code == .topicAlreadyExists)
    let stranger = PartitionID(topic("b").id, 0)
    try store.commit([("g", [stranger: CommittedOffset(offset: 1, committedAt: 0)])])
    #expect(try store.committedOffsets().isEmpty)
    let known = PartitionID(try #require(try store.topics().first).id, 0)
    let checkpoint = StoredCheckpoint(logStartOffset: 1, recoveryPoint: 2)
    try store.save([stranger: checkpoint, known: checkpoint])
    #expect(try store.checkpoints() == [known: checkpoint])
    try store.close()
  }

  @Test("whose topic has an id that is none says so, also where a checkpoint is looked at first")
  func damagedTopicID() throws {
    let directory = try Directory()
    let store = try MetadataStore(path: directory.file)
    try store.createTopic(topic("a"))
    try store.close()
    let database = try DatabaseQueue(path: directory.file)
    try database.write { db in
      try db.execute(sql: "INSERT INTO topic VALUES (x'0102', 'b', 1, 0, 0)")
      try db.execute(sql: "INSERT INTO partition_checkpoint VALUES (x'0102', 0, 0, 0, 0, NULL, NULL)")
    }
    try database.close()
    for mode in [MetadataStore.Mode.readOnly, .readWrite] {
      let store = try MetadataStore(path: directory.file, mode: mode)
      #expect(try store.checkpoints().isEmpty)
      #expect(throws: EventLogError.self) { try store.topics() }
      try store.close()
    }
  }

  @Test("of an older version is brought up to date by its owner; who only looks is told to wait for that")
  func olderVersion() throws {
    let directory = try Directory()
    let made = topic("orders")
    let checkpoint = StoredCheckpoint(logStartOffset: 1, recoveryPoint: 2, logEndOffset: 2)
    var store = try MetadataStore(path: directory.file)
    try store.createTopic(made)
    try store.endSession([PartitionID(made.id, 0): checkpoint])
    try store.close()
    let database = try DatabaseQueue(path: directory.file)
    try database.write { db in
      try db.execute(sql: "ALTER TABLE store DROP COLUMN unclean_stops")
      try db.execute(sql: "ALTER TABLE partition_checkpoint DROP COLUMN unclean_stops")
      try db.execute(sql: "PRAGMA user_version = 3")
    }
    try database.close()
    let error = #expect(throws: EventLogError.self) { try MetadataStore(path: directory.file, mode: .readOnly) }
    #expect(error?.code == .unsupportedVersion)
    store = try MetadataStore(path: directory.file)
    #expect(try store.checkpoints() == [PartitionID(made.id, 0): checkpoint])
    let session = try store.beginSession()
    #expect(session.wasClean)
    #expect(session.uncleanStops == 0)
    #expect(try store.beginSession().uncleanStops == 1)
    try store.close()
    try MetadataStore(path: directory.file, mode: .readOnly).close()
  }

  @Test("passes over a checkpoint whose topic's id is none")
  func damagedID() throws {
    let directory = try Directory()
    let made = topic("orders")
    let checkpoint = StoredCheckpoint(logStartOffset: 1, recoveryPoint: 2)
    var store = try MetadataStore(path: directory.file)
    try store.createTopic(made)
    try store.save([PartitionID(made.id, 0): checkpoint])
    try store.close()
    var configuration = Configuration()
    configuration.foreignKeysEnabled = false
    let database = try DatabaseQueue(path: directory.file, configuration: configuration)
    try database.write { db in
      for id in ["x''", "x'01'", "x'0102030405060708090a0b0c0d0e0f1011'"] {
        try db.execute(sql: "INSERT INTO partition_checkpoint VALUES (\(id), 0, 0, 0, NULL, NULL, NULL)")
      }
    }
    try database.close()
    store = try MetadataStore(path: directory.file)
    #expect(try store.checkpoints() == [PartitionID(made.id, 0): checkpoint])
    try store.close()
  }

  @Test("leaves a file of a newer version, or of another program, as it is")
  func foreign() throws {
    let directory = try Directory()
    do {
      let store = try MetadataStore(path: directory.file)
      try store.close()
    }
    for (offset, value) in [(63, UInt8(99)), (71, UInt8(1))] {
      // The user version and the application id in SQLite's header.
      var bytes = try Data(contentsOf: URL(fileURLWithPath: directory.file))
      let old = bytes[offset]
      bytes[offset] = value
      try bytes.write(to: URL(fileURLWithPath: directory.file))
      let error = #expect(throws: EventLogError.self) { try MetadataStore(path: directory.file) }
      #expect(error?.code == .unsupportedVersion)
      #expect(try Data(contentsOf: URL(fileURLWithPath: directory.file)) == bytes)
      bytes[offset] = old
      try bytes.write(to: URL(fileURLWithPath: directory.file))
    }
  }

  @Test("says so where the file is damaged, or is no database")
  func damaged() throws {
    let directory = try Directory()
    try Data("this is no database, whatever its name says".utf8).write(to: URL(fileURLWithPath: directory.file))
    let error = #expect(throws: EventLogError.self) { try MetadataStore(path: directory.file) }
    #expect(error?.code == .metadataError)
    #expect(error?.file == directory.file)
  }

  @Test("can be read by another while it is written")
  func readers() throws {
    let directory = try Directory()
    let store = try MetadataStore(path: directory.file)
    try store.createTopic(topic("a"))
    let reader = try MetadataStore(path: directory.file, mode: .readOnly)
    #expect(try reader.topics().map(\.name) == ["a"])
    try store.createTopic(topic("b"))
    #expect(try reader.topics().map(\.name) == ["a", "b"])
    #expect(throws: EventLogError.self) { try reader.createTopic(topic("c")) }
    try reader.close()
    try store.close()
  }

  @Test("writes ids as Kafka does, and reads them")
  func ids() throws {
    let id = try #require(TopicID(text: "KJpvEw0zRGiHMBFLkACnpQ"))
    #expect(id.text == "KJpvEw0zRGiHMBFLkACnpQ")
    #expect(TopicID(bytes: id.bytes) == id)
    #expect(TopicID(text: "short") == nil)
    var generator = SystemRandomNumberGenerator()
    for _ in 0..<1000 {
      let id = TopicID(using: &generator)
      #expect(TopicID(text: id.text) == id)
      #expect(id.text.count == 22)
    }
  }
}
