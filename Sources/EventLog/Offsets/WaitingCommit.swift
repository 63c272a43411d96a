internal import MetadataStore
internal import Synchronization

/// A commit that nobody waits for, for as long as it waits to be written: the consumer that made it puts its later offsets in
/// the place of these, without the locks and the tables that a commit else has to go through.
final class WaitingCommit: Sendable {
  private struct State {
    var positions: [CommittedPosition]
    var isOpen = true
  }

  let group: String
  private let state: Mutex<State>

  init(_ group: String, _ positions: [CommittedPosition]) {
    self.group = group
    state = Mutex(State(positions: positions))
  }

  /// Has `body` put other offsets in the place of these. False where it could not, or where this one is closed.
  func update(_ body: (inout [CommittedPosition]) -> Bool) -> Bool {
    state.withLock { $0.isOpen && body(&$0.positions) }
  }

  /// Puts offsets in the place of those of the same partitions.
  ///
  /// - Parameter isLast: whether no other commit waits behind this one, so that it may take up other partitions too.
  /// - Returns: false where it could not, or where this one is closed.
  func put(_ offsets: [PartitionID: CommittedOffset], isLast: Bool) -> Bool {
    update { positions in
      let present = positions.count { offsets[$0.partition] != nil }
      guard isLast || present == offsets.count else { return false }
      var rest = offsets
      for index in positions.indices {
        if let offset = rest.removeValue(forKey: positions[index].partition) { positions[index].offset = offset }
      }
      positions += rest.map { ($0.key, $0.value) }
      return true
    }
  }

  /// Whether a commit of these offsets that comes later has to be written later: it takes the place of this one's.
  func concerns(_ offsets: [PartitionID: CommittedOffset]) -> Bool {
    state.withLock { $0.positions.contains { offsets[$0.partition] != nil } }
  }

  /// Takes no more updates: another commit came behind it, or it is being written.
  func close() { state.withLock { $0.isOpen = false } }

  var offsets: [PartitionID: CommittedOffset] {
    Dictionary(state.withLock { $0.positions }.map { ($0.partition, $0.offset) }) { $1 }
  }
}
