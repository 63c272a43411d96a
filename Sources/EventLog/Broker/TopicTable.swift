internal import MetadataStore
internal import RecordFormat
internal import Synchronization

/// The topics by name, and by id.
final class TopicTable: Sendable {
  private struct State {
    var byName: [String: Topic] = [:]
    var byID: [TopicID: Topic] = [:]
  }

  private let state: Mutex<State>
  private let changes = Atomic<Int>(0)

  init(_ topics: [Topic]) {
    state = Mutex(
      State(
        byName: Dictionary(uniqueKeysWithValues: topics.map { ($0.name, $0) }),
        byID: Dictionary(uniqueKeysWithValues: topics.map { ($0.id, $0) })))
  }

  /// Grows with every change, so that who keeps a topic at hand knows when to look again.
  var version: Int { changes.load(ordering: .acquiring) }

  func find(_ name: String) -> Topic? {
    state.withLock { $0.byName[name] }
  }

  func find(_ id: TopicID) -> Topic? {
    state.withLock { $0.byID[id] }
  }

  func all() -> [Topic] {
    state.withLock { $0.byName.values.sorted { $0.name < $1.name } }
  }

  /// All topics, with their numbers of partitions.
  func partitionCounts() -> [String: Int] {
    state.withLock { $0.byName.mapValues(\.partitionCount) }
  }

  func put(_ topic: Topic) {
    state.withLock { state in
      state.byName[topic.name] = topic
      state.byID[topic.id] = topic
    }
    changes.add(1, ordering: .acquiringAndReleasing)
  }

  func remove(_ topic: Topic) {
    state.withLock { state in
      state.byName[topic.name] = nil
      state.byID[topic.id] = nil
    }
    changes.add(1, ordering: .acquiringAndReleasing)
  }
}
