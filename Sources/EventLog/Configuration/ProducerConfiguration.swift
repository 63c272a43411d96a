public import RecordFormat

/// When a record counts as written (`acks`).
public enum Acks: Sendable, Hashable, CaseIterable {
  /// `0`: not waited for; errors reach the delivery callback only. Offsets are not told.
  case none
  /// `1`: it is in the page cache. Survives the death of the process, not that of the machine.
  case leader
  /// `all`: it is on the disk. Survives a power cut.
  case all
}

/// What a producer goes by. Names in brackets are Kafka's, as `init(properties:)` takes them.
public struct ProducerConfiguration: Sendable {
  /// When a record counts as written (`acks`): `all`.
  public var acks: Acks = .all
  /// How batches are compressed (`compression.type`): not at all.
  public var compression: CompressionType = .none
  /// The codec's level (`compression.gzip.level`, …); nil is Kafka's default.
  public var compressionLevel: Int32?
  /// How long a record waits for others to share its batch (`linger.ms`): 0, so that it is appended at once.
  public var linger: Duration = .zero
  /// The size at which a batch is appended though its linger is not over, in bytes (`batch.size`): 16384; 0 makes each
  /// record a batch of its own.
  public var batchSize = 16_384
  /// How many bytes may wait to be appended or acknowledged (`buffer.memory`): 32 MiB. More senders wait.
  public var bufferMemory = 33_554_432
  /// How long `send` waits for room in the buffer (`max.block.ms`): 60 s.
  public var maxBlock: Duration = .seconds(60)
  /// The largest record or batch that is sent, in bytes, before compression (`max.request.size`): 1 MiB.
  public var maxRequestSize = 1_048_576
  /// How a record without a partition gets one (`partitioner.class`); nil is Kafka's default: by key, else sticky.
  public var partitioner: (any Partitioner)?
  /// Whether the default partitioner treats records with a key as if they had none (`partitioner.ignore.keys`): false.
  public var ignoresKeys = false

  public init() {}

  /// With another `acks` than the default.
  public init(acks: Acks) {
    self.acks = acks
  }

  /// From Kafka's names, such as `linger.ms`.
  ///
  /// - Throws: `invalidConfig` for a name that is unknown or not supported, or a value out of range.
  public init(properties: [String: String]) throws {
    try self.init(Properties(properties, of: "producer"))
  }

  /// From a source that is asked for Kafka's names one by one, such as a process's environment. A name that nobody asks for,
  /// because it is mistyped, goes unnoticed.
  ///
  /// - Parameter lookup: the value that a name has; nil where it has none.
  /// - Throws: `invalidConfig` for a name that is not supported, or a value out of range.
  public init(lookup: @escaping (_ name: String) -> String?) throws {
    try self.init(Properties(lookup, of: "producer"))
  }

  private init(_ source: Properties) throws {
    var properties = source
    try properties.choice("acks", [("all", Acks.all), ("-1", .all), ("1", .leader), ("0", .none)]) { acks = $0 }
    try properties.choice("compression.type", CompressionType.allCases.map { ($0.name, $0) }) { compression = $0 }
    for codec in ["gzip", "lz4", "zstd"] {
      try properties.integer("compression.\(codec).level", in: -131_072...22) { level in
        if compression.name == codec { compressionLevel = Int32(level) }
      }
    }
    try properties.duration("linger.ms") { linger = $0 }
    try properties.integer("batch.size", in: 0...Int64(Int32.max)) { batchSize = Int($0) }
    try properties.integer("buffer.memory", in: 0...Int64.max) { bufferMemory = Int($0) }
    try properties.duration("max.block.ms") { maxBlock = $0 }
    try properties.integer("max.request.size", in: 0...Int64(Int32.max)) { maxRequestSize = Int($0) }
    try properties.boolean("partitioner.ignore.keys") { ignoresKeys = $0 }
    try properties.refuse(
      "enable.idempotence", unless: ["false"],
      because: "this version has no idempotent producers yet; in one process "
        + "an append is never sent twice")
    try properties.refuse("transactional.id", because: "this version has no transactions yet")
    try properties.refuse("partitioner.class", because: "set `partitioner` in code")
    properties.ignore(
      "bootstrap.servers", "client.id", "retries", "max.in.flight.requests.per.connection", "request.timeout.ms",
      "delivery.timeout.ms", "retry.backoff.ms", "retry.backoff.max.ms", "metadata.max.age.ms",
      "partitioner.adaptive.partitioning.enable", "partitioner.availability.timeout.ms")
    try properties.finish()
    try validate()
  }

  func validate() throws(EventLogError) {
    guard batchSize >= 0, bufferMemory >= 0, maxRequestSize >= 0, linger >= .zero, maxBlock >= .zero else {
      throw EventLogError(
        .invalidConfig, "batch.size, buffer.memory, max.request.size, linger.ms and max.block.ms may not be negative")
    }
  }
}
