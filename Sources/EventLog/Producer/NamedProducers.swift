internal import MetadataStore
internal import RecordFormat
internal import SegmentStore
internal import Synchronization

/// The right to write under a name: one producer has it at a time, the one that was made last.
///
/// Appends hold the lock, so that none of an older one can come after a newer one has looked how far it got.
final class ProducerLease: Sendable {
  private let name: String
  private let isFenced = Mutex(false)

  init(_ name: String) {
    self.name = name
  }

  func fence() { isFenced.withLock { $0 = true } }

  func requireHeld() throws(EventLogError) {
    guard !isFenced.withLock({ $0 }) else { throw fenced }
  }

  func append(
    _ body: () throws(EventLogError) -> AppendResult
  ) throws(EventLogError) -> AppendResult {
    try isFenced.withLock { isFenced throws(EventLogError) -> AppendResult in
      guard !isFenced else { throw fenced }
      return try body()
    }
  }

  private var fenced: EventLogError {
    EventLogError(.producerFenced, "another producer was made with the name \"\(name)\"; close this one")
  }
}

/// Producers with names, which keep their ids over restarts.
final class NamedProducers: Sendable {
  private struct State {
    var ids: [String: Int64]
    var leases: [String: ProducerLease] = [:]
  }

  private let metadata: MetadataStore
  private let producerIDs: ProducerIDs
  private let context: StoreContext
  private let state: Mutex<State>

  init(_ known: [NamedProducer], _ metadata: MetadataStore, _ producerIDs: ProducerIDs, _ context: StoreContext) {
    self.metadata = metadata
    self.producerIDs = producerIDs
    self.context = context
    state = Mutex(State(ids: Dictionary(known.map { ($0.name, $0.producerID) }) { first, _ in first }))
  }

  /// The id of a name, and the right to use it, which whoever had it before loses.
  func take(_ name: String) throws(EventLogError) -> (id: Int64, lease: ProducerLease) {
    try state.withLock { state throws(EventLogError) in
      let id: Int64
      if let known = state.ids[name] {
        id = known
      } else {
        id = try producerIDs.next()
        context.keepProducer(id)
        try metadata.save(
          NamedProducer(name: name, producerID: id, createdAt: context.time.wallMilliseconds()))
        state.ids[name] = id
      }
      state.leases[name]?.fence()
      let lease = ProducerLease(name)
      state.leases[name] = lease
      return (id, lease)
    }
  }
}
