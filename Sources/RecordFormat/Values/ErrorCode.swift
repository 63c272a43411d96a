extension EventLogError {
  /// The kinds of error. Names and numbers are those of Kafka's protocol; negative numbers are Kafka's client-side
  /// exceptions and EventLog's own, which have no number there.
  public struct Code: Sendable, Hashable {
    /// Kafka's error code, or a negative number where the protocol has none.
    public let number: Int16
    /// Kafka's error name, such as `UNKNOWN_TOPIC_OR_PARTITION`.
    public let name: String
    let isRetriable: Bool
    let isFatal: Bool

    private init(_ number: Int16, _ name: String, retriable: Bool = false, fatal: Bool = false) {
      self.number = number
      self.name = name
      self.isRetriable = retriable
      self.isFatal = fatal
    }

    public static func == (a: Code, b: Code) -> Bool { a.number == b.number }
    public func hash(into hasher: inout Hasher) { hasher.combine(number) }

    public static let offsetOutOfRange = Code(1, "OFFSET_OUT_OF_RANGE")
    public static let corruptMessage = Code(2, "CORRUPT_MESSAGE")
    public static let unknownTopicOrPartition = Code(3, "UNKNOWN_TOPIC_OR_PARTITION")
    public static let requestTimedOut = Code(7, "REQUEST_TIMED_OUT", retriable: true)
    public static let messageTooLarge = Code(10, "MESSAGE_TOO_LARGE")
    public static let offsetMetadataTooLarge = Code(12, "OFFSET_METADATA_TOO_LARGE")
    public static let invalidTopic = Code(17, "INVALID_TOPIC_EXCEPTION")
    public static let recordListTooLarge = Code(18, "RECORD_LIST_TOO_LARGE")
    public static let illegalGeneration = Code(22, "ILLEGAL_GENERATION")
    public static let inconsistentGroupProtocol = Code(23, "INCONSISTENT_GROUP_PROTOCOL")
    public static let invalidGroupID = Code(24, "INVALID_GROUP_ID")
    public static let unknownMemberID = Code(25, "UNKNOWN_MEMBER_ID")
    public static let invalidSessionTimeout = Code(26, "INVALID_SESSION_TIMEOUT")
    public static let rebalanceInProgress = Code(27, "REBALANCE_IN_PROGRESS", retriable: true)
    public static let invalidTimestamp = Code(32, "INVALID_TIMESTAMP")
    public static let topicAlreadyExists = Code(36, "TOPIC_ALREADY_EXISTS")
    public static let invalidPartitions = Code(37, "INVALID_PARTITIONS")
    public static let invalidReplicationFactor = Code(38, "INVALID_REPLICATION_FACTOR")
    public static let invalidReplicaAssignment = Code(39, "INVALID_REPLICA_ASSIGNMENT")
    public static let invalidConfig = Code(40, "INVALID_CONFIG")
    public static let invalidRequest = Code(42, "INVALID_REQUEST")
    public static let policyViolation = Code(44, "POLICY_VIOLATION")
    public static let outOfOrderSequenceNumber = Code(45, "OUT_OF_ORDER_SEQUENCE_NUMBER", fatal: true)
    /// The records were written before, so long ago that their offsets are not remembered any more.
    public static let duplicateSequenceNumber = Code(46, "DUPLICATE_SEQUENCE_NUMBER")
    public static let invalidProducerEpoch = Code(47, "INVALID_PRODUCER_EPOCH", fatal: true)
    public static let invalidTransactionState = Code(48, "INVALID_TXN_STATE", fatal: true)
    public static let invalidProducerIDMapping = Code(49, "INVALID_PRODUCER_ID_MAPPING", fatal: true)
    public static let invalidTransactionTimeout = Code(50, "INVALID_TRANSACTION_TIMEOUT", fatal: true)
    public static let concurrentTransactions = Code(51, "CONCURRENT_TRANSACTIONS", retriable: true)
    public static let transactionCoordinatorFenced = Code(52, "TRANSACTION_COORDINATOR_FENCED", fatal: true)
    /// The store refuses to go on with this partition or this directory: a sync failed, or the disk gave an error.
    public static let storageError = Code(56, "KAFKA_STORAGE_ERROR", fatal: true)
    public static let nonEmptyGroup = Code(68, "NON_EMPTY_GROUP")
    public static let groupIDNotFound = Code(69, "GROUP_ID_NOT_FOUND")
    public static let unsupportedCompressionType = Code(76, "UNSUPPORTED_COMPRESSION_TYPE")
    public static let groupMaxSizeReached = Code(81, "GROUP_MAX_SIZE_REACHED")
    public static let fencedInstanceID = Code(82, "FENCED_INSTANCE_ID", fatal: true)
    public static let groupSubscribedToTopic = Code(86, "GROUP_SUBSCRIBED_TO_TOPIC")
    public static let invalidRecord = Code(87, "INVALID_RECORD")
    /// A transaction that is being ended holds offsets of the group that nobody may read yet.
    public static let unstableOffsetCommit = Code(88, "UNSTABLE_OFFSET_COMMIT", retriable: true)
    /// Another producer took over the `transactional.id`, or the name, of this one; this one has to be closed.
    public static let producerFenced = Code(90, "PRODUCER_FENCED", fatal: true)
    public static let transactionalIDNotFound = Code(105, "TRANSACTIONAL_ID_NOT_FOUND")
    public static let fencedMemberEpoch = Code(110, "FENCED_MEMBER_EPOCH")
    public static let unreleasedInstanceID = Code(111, "UNRELEASED_INSTANCE_ID")
    public static let unsupportedAssignor = Code(112, "UNSUPPORTED_ASSIGNOR")
    public static let staleMemberEpoch = Code(113, "STALE_MEMBER_EPOCH")
    /// The transaction can't be committed any more: abort it, and begin another one.
    public static let transactionAbortable = Code(120, "TRANSACTION_ABORTABLE")
    public static let invalidRegularExpression = Code(128, "INVALID_REGULAR_EXPRESSION")

    // Kafka's client-side exceptions.
    /// An argument that no state of the broker could make right (Kafka's `IllegalArgumentException`).
    public static let illegalArgument = Code(-2, "ILLEGAL_ARGUMENT")
    /// The call does not fit the state of the object, such as one on a closed producer (`IllegalStateException`).
    public static let illegalState = Code(-3, "ILLEGAL_STATE")
    /// The time given by a configuration such as `max.block.ms` passed first (Kafka's `TimeoutException`).
    public static let timeout = Code(-4, "TIMEOUT", retriable: true)
    /// `buffer.memory` stayed full for `max.block.ms` (Kafka's `BufferExhaustedException`).
    public static let bufferExhausted = Code(-5, "BUFFER_EXHAUSTED", retriable: true)
    /// There is no committed offset and `auto.offset.reset` is `none` (Kafka's `NoOffsetForPartitionException`).
    public static let noOffsetForPartition = Code(-6, "NO_OFFSET_FOR_PARTITION")
    /// The group went on without this member; its commit is refused (Kafka's `CommitFailedException`).
    public static let commitFailed = Code(-7, "COMMIT_FAILED")
    /// Another thread or task uses this consumer (Kafka's `ConcurrentModificationException`).
    public static let concurrentModification = Code(-8, "CONCURRENT_MODIFICATION")
    /// `wakeup()` was called (Kafka's `WakeupException`).
    public static let wakeup = Code(-9, "WAKEUP")
    /// The bytes of a record could not be turned into the wanted type (Kafka's `RecordDeserializationException`).
    public static let deserialization = Code(-10, "DESERIALIZATION")
    /// A key or value could not be turned into bytes (Kafka's `SerializationException`).
    public static let serialization = Code(-11, "SERIALIZATION")

    // EventLog's own: what Kafka leaves to the operating system.
    /// Another process, or another `Broker` of this one, has the directory open for writing.
    public static let directoryLocked = Code(-100, "DIRECTORY_LOCKED")
    /// No room on the disk. What was written before is safe; the call can be made again when there is room.
    public static let diskFull = Code(-101, "DISK_FULL", retriable: true)
    /// A system call failed for another reason than a full disk.
    public static let inputOutput = Code(-102, "INPUT_OUTPUT")
    /// The directory was written by a newer version of EventLog, or is no data directory at all.
    public static let unsupportedVersion = Code(-103, "UNSUPPORTED_VERSION", fatal: true)
    /// The call needs to write, but the broker was opened read-only.
    public static let readOnly = Code(-104, "READ_ONLY")
    /// The metadata database refuses to work, or is damaged.
    public static let metadataError = Code(-105, "METADATA_ERROR", fatal: true)
  }
}
