internal import MetadataStore
internal import RecordFormat
internal import Synchronization

/// Gives out producer ids, each once: from a block that SQLite has set aside.
final class ProducerIDs: Sendable {
  private let metadata: MetadataStore
  private let rest: Mutex<Range<Int64>>

  init(_ metadata: MetadataStore, _ first: Range<Int64>) {
    self.metadata = metadata
    rest = Mutex(first)
  }

  func next() throws(EventLogError) -> Int64 {
    try rest.withLock { rest throws(EventLogError) in
      if rest.isEmpty { rest = try metadata.allocateProducerIDs(1000) }
      defer { rest = rest.dropFirst() }
      return rest.lowerBound
    }
  }

  /// Never gives out an id up to `id`, which another store's producer has.
  func skip(to id: Int64) throws(EventLogError) {
    try rest.withLock { rest throws(EventLogError) in
      guard id >= rest.lowerBound else { return }
      try metadata.skipProducerIDs(to: id)
      rest = id < rest.upperBound ? (id + 1)..<rest.upperBound : rest.upperBound..<rest.upperBound
    }
  }

  /// What was set aside and not given out.
  var unused: Range<Int64> { rest.withLock { $0 } }
}
