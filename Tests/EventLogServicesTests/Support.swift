import EventLogServices
import EventLogTesting
import Logging
import Synchronization

/// Keeps what was logged.
final class LogCapture: Sendable {
  struct Entry: Sendable {
    var level: Logger.Level
    var message: String
    var metadata: Logger.Metadata
  }

  private let list = Mutex<[Entry]>([])

  var entries: [Entry] { list.withLock { $0 } }

  var logger: Logger { Logger(label: "test") { _ in Handler(capture: self) } }

  private struct Handler: LogHandler {
    let capture: LogCapture
    var metadata: Logger.Metadata = [:]
    var logLevel = Logger.Level.trace

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
      get { metadata[key] }
      set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
      let all = metadata.merging(event.metadata ?? [:]) { _, new in new }
      capture.list.withLock { $0.append(Entry(level: event.level, message: "\(event.message)", metadata: all)) }
    }
  }
}

/// What a closure was given.
final class Collected: Sendable {
  private let list = Mutex<[String]>([])

  var values: [String] { list.withLock { $0 } }

  /// - Returns: how many there are now.
  @discardableResult
  func add(_ record: ConsumerRecord) -> Int {
    list.withLock {
      $0.append(record.valueString ?? "null")
      return $0.count
    }
  }
}

struct Refused: Error {}

func fromTheBeginning(_ group: String) -> ConsumerConfiguration {
  var configuration = ConsumerConfiguration()
  configuration.group = group
  configuration.autoOffsetReset = .earliest
  return configuration
}
