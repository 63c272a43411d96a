import ArgumentParser
import EventLog

/// A topic with all its partitions, `orders`, or with some of them, `orders:0,2`.
struct TopicArgument: ExpressibleByArgument {
  var topic: String
  /// nil for all.
  var partitions: [Int]?

  init?(argument: String) {
    let parts = argument.split(separator: ":", omittingEmptySubsequences: false)
    guard let name = parts.first, !name.isEmpty, parts.count <= 2 else { return nil }
    topic = String(name)
    guard parts.count == 2 else { return }
    var numbers: [Int] = []
    for part in parts[1].split(separator: ",", omittingEmptySubsequences: false) {
      guard let number = Int(part), number >= 0 else { return nil }
      numbers.append(number)
    }
    partitions = numbers
  }

  /// The partitions that are meant.
  ///
  /// - Throws: `unknownTopicOrPartition` where there is no such topic, or it has no such partition.
  func resolve(_ broker: Broker) throws -> [TopicPartition] {
    let count = try broker.admin.describeTopic(topic).partitions.count
    for number in partitions ?? [] where number >= count {
      throw EventLogError(
        .unknownTopicOrPartition, "the topic has \(count) partitions, counted from 0", topic: topic, partition: number)
    }
    return (partitions ?? Array(0..<count)).map { TopicPartition(topic, $0) }
  }
}

/// Partitions by patterns, as `kafka-get-offsets` takes them.
struct TopicPartitionPattern {
  private let topic: Regex<AnyRegexOutput>?
  private let partitions: Range<Int>?

  /// `TOPIC`, `TOPIC:N`, `TOPIC:N-M` (without M), `TOPIC:N-`, `TOPIC:-M`, where TOPIC is a regular expression, or empty
  /// for all.
  init(_ text: some StringProtocol) throws {
    let parts = text.split(separator: ":", omittingEmptySubsequences: false)
    guard parts.count <= 2, let name = parts.first else {
      throw ValidationError("\"\(text)\" is not a topic, or a topic, a colon and partitions")
    }
    topic = name.isEmpty ? nil : try Self.regex(name)
    partitions = parts.count == 2 ? try Self.range(parts[1]) : nil
  }

  func matches(_ partition: TopicPartition) -> Bool {
    guard partitions?.contains(partition.partition) ?? true else { return false }
    guard let topic else { return true }
    return (try? topic.wholeMatch(in: partition.topic)) != nil
  }

  static func regex(_ text: some StringProtocol) throws -> Regex<AnyRegexOutput> {
    do { return try Regex(String(text)) } catch { throw ValidationError("\"\(text)\" is no regular expression") }
  }

  private static func range(_ text: some StringProtocol) throws -> Range<Int>? {
    if text.isEmpty { return nil }
    let ends = text.split(separator: "-", omittingEmptySubsequences: false)
    let numbers = ends.map { Int($0) }
    switch numbers.count {
    case 1:
      if let number = numbers[0] { return number..<(number + 1) }
    case 2:
      let low = ends[0].isEmpty ? 0 : numbers[0]
      let high = ends[1].isEmpty ? Int.max : numbers[1]
      if let low, let high, text.count > 1 { return low..<max(low, high) }
    default: break
    }
    throw ValidationError("\"\(text)\" is no partition and no range of partitions, such as 0, 0-3, 2- or -4")
  }
}
