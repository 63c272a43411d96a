/// Every error that EventLog throws: a code with Kafka's name, a sentence that says what happened and what to do,
/// and the place where it happened.
///
/// ```swift
/// do { try await producer.send("orders", value: huge) }
/// catch let error as EventLogError where error.code == .messageTooLarge { … }
/// ```
public struct EventLogError: Error, Sendable, Hashable {
  /// What kind of error this is, by Kafka's name for it.
  public var code: Code
  /// What happened, and what to do about it. Never holds record data.
  public var message: String
  /// The topic concerned, if one is.
  public var topic: String?
  /// The partition concerned, if one is.
  public var partition: Int?
  /// The offset concerned, if one is.
  public var offset: Int64?
  /// The file concerned, if one is.
  public var file: String?
  /// The byte position in `file`, if one is known.
  public var position: Int64?
  /// The system's `errno`, where a system call failed.
  public var errno: Int32?

  public init(
    _ code: Code, _ message: String, topic: String? = nil, partition: Int? = nil, offset: Int64? = nil,
    file: String? = nil, position: Int64? = nil, errno: Int32? = nil
  ) {
    self.code = code
    self.message = message
    self.topic = topic
    self.partition = partition
    self.offset = offset
    self.file = file
    self.position = position
    self.errno = errno
  }

  /// Whether the same call can succeed later without anything being changed (Kafka's `RetriableException`).
  public var isRetriable: Bool { code.isRetriable }

  /// Whether the producer, consumer or broker that threw this can do nothing more and has to be closed.
  public var isFatal: Bool { code.isFatal }

  /// A copy of this error that names the partition, where it did not yet.
  package func at(_ topicPartition: TopicPartition) -> EventLogError {
    var copy = self
    if copy.topic == nil { copy.topic = topicPartition.topic }
    if copy.partition == nil { copy.partition = topicPartition.partition }
    return copy
  }
}

extension EventLogError: CustomStringConvertible {
  public var description: String {
    var text = "\(code.name): \(message)"
    var place: [String] = []
    if let topic { place.append(partition.map { "partition \(topic)-\($0)" } ?? "topic \(topic)") }
    if let offset { place.append("offset \(offset)") }
    if let file { place.append("file \(file)") }
    if let position { place.append("position \(position)") }
    if let errno { place.append("errno \(errno)") }
    if !place.isEmpty { text += " (" + place.joined(separator: ", ") + ")" }
    return text
  }
}
