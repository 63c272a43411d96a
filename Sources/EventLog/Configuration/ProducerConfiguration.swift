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
  /// The codec's level (`compression.gzip.level` -1 or 1 to 9, `compression.lz4.level` 1 to 17, `compression.zstd.level`
  /// -131072 to 22); nil is Kafka's default (-1, 9, 3). Without effect where the codec has none.
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
  /// The largest record that is sent, in bytes with what its batch adds, before compression (`max.request.size`): 1 MiB. No
  /// batch that a producer puts together has more; one that `append(_:to:)` is given for a partition is as large as its records.
  public var maxRequestSize = 1_048_576
  /// How a record without a partition gets one (`partitioner.class`); nil is Kafka's default: by key, else sticky.
  public var partitioner: (any Partitioner)?
  /// Whether the default partitioner treats records with a key as if they had none (`partitioner.ignore.keys`): false.
  public var ignoresKeys = false
  /// Whether batches carry a producer id and sequence numbers (`enable.idempotence`); nil, the default, says yes where
  /// `acks` is all.
  ///
  /// In one process no append is sent twice behind your back; with sequence numbers of your own you may send a batch again
  /// that may have been written (`Producer.append(_:to:sequence:)`).
  public var enableIdempotence: Bool?
  /// What the producer is known by in transactions, also after a restart (`transactional.id`); nil: it has none.
  public var transactionalID: String?
  /// How long a transaction may stay open before it is aborted and its producer fenced (`transaction.timeout.ms`): 60 s; at
  /// most the broker's `transaction.max.timeout.ms`.
  public var transactionTimeout: Duration = .seconds(60)
  /// A name by which the producer keeps its id and its sequence numbers over restarts (`producer.name`, EventLog's own), so
  /// that `Producer.nextSequence(of:)` says how far it came, and nothing need be written twice. One producer has a name at a
  /// time; making another fences the first.
  public var name: String?
  /// Who sees each record before it is sent and when it is acknowledged, in this order (`interceptor.classes`, which has to
  /// be set in code).
  public var interceptors: [any ProducerInterceptor] = []

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
    for codec in CompressionType.allCases {
      try properties.level(of: codec) { if compression == codec { compressionLevel = $0 } }
    }
    try properties.duration("linger.ms") { linger = $0 }
    try properties.integer("batch.size", in: 0...Int64(Int32.max)) { batchSize = Int($0) }
    try properties.integer("buffer.memory", in: 0...Int64.max) { bufferMemory = Int($0) }
    try properties.duration("max.block.ms") { maxBlock = $0 }
    try properties.integer("max.request.size", in: 0...Int64(Int32.max)) { maxRequestSize = Int($0) }
    try properties.boolean("partitioner.ignore.keys") { ignoresKeys = $0 }
    try properties.boolean("enable.idempotence") { enableIdempotence = $0 }
    transactionalID = properties.take("transactional.id")
    try properties.duration("transaction.timeout.ms", in: 1...Int64(Int32.max)) { transactionTimeout = $0 }
    name = properties.take("producer.name")
    // They mean nothing here but this: in Kafka they turn idempotence off, or contradict it.
    var against: String?
    try properties.integer("retries", in: 0...Int64(Int32.max)) { if $0 == 0 { against = "retries=0" } }
    try properties.integer("max.in.flight.requests.per.connection", in: 1...Int64(Int32.max)) {
      if $0 > 5 { against = "max.in.flight.requests.per.connection=\($0)" }
    }
    if let against {
      try Self.refuse(against, unless: enableIdempotence != true && transactionalID == nil && name == nil)
      enableIdempotence = false
    }
    try properties.refuse("partitioner.class", because: "set `partitioner` in code")
    try properties.refuse("interceptor.classes", because: "set `interceptors` in code")
    for side in ["key", "value"] {
      try properties.refuse("\(side).serializer", because: "give the serializers to `Broker.producer(key:value:)`")
    }
    properties.ignore(
      "bootstrap.servers", "client.id", "request.timeout.ms", "delivery.timeout.ms", "retry.backoff.ms",
      "retry.backoff.max.ms", "metadata.max.age.ms",
      "partitioner.adaptive.partitioning.enable", "partitioner.availability.timeout.ms")
    try properties.finish()
    try validate()
  }

  /// Whether the producer's batches carry an id.
  var isIdempotent: Bool { enableIdempotence ?? (acks == .all) }

  private static func refuse(_ setting: String, unless condition: Bool) throws(EventLogError) {
    guard !condition else { return }
    throw EventLogError(
      .invalidConfig,
      "\(setting) does not go with enable.idempotence=true, which transactional.id and producer.name need too")
  }

  func validate() throws(EventLogError) {
    let needsIdempotence = enableIdempotence == true || transactionalID != nil || name != nil
    try Self.refuse("acks=\(acks == .leader ? "1" : "0")", unless: acks == .all || !needsIdempotence)
    try Self.refuse(
      "enable.idempotence=false", unless: enableIdempotence != false || (transactionalID == nil && name == nil))
    guard transactionalID != "", name != "" else {
      throw EventLogError(.invalidConfig, "transactional.id and producer.name may not be empty")
    }
    guard transactionalID == nil || name == nil else {
      throw EventLogError(.invalidConfig, "a transactional.id is a name already: producer.name does not go with it")
    }
    guard transactionTimeout > .zero else {
      throw EventLogError(.invalidConfig, "transaction.timeout.ms has to be more than zero")
    }
    if let compressionLevel, let levels = compression.levels, !levels.contains(compressionLevel) {
      throw .invalidValue("\(compressionLevel)", of: "compression.\(compression.name).level", levels.requirement)
    }
    guard batchSize >= 0, bufferMemory >= 0, maxRequestSize >= 0, linger >= .zero, maxBlock >= .zero else {
      throw EventLogError(
        .invalidConfig, "batch.size, buffer.memory, max.request.size, linger.ms and max.block.ms may not be negative")
    }
  }
}
