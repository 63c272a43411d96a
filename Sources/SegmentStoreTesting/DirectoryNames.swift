internal import SegmentStore

/// The names that are durable, by directory, and the changes of names that are not yet: after a power cut a machine finds the
/// first, and of the others any that it happened to have written.
///
/// Files and directories are numbers here, which survive renaming and are never used twice, as inodes are.
struct DirectoryNames: Sendable {
  private struct Place: Hashable {
    var directory: Int
    var name: String
  }

  /// One change, which happens as a whole or not at all: a rename takes the old name away and gives the new one.
  private struct Change {
    var taken: Place?
    var given: Place?
    var number: Int

    var places: [Place] { [taken, given].compactMap(\.self) }

    func apply(to names: inout [Int: [String: Int]]) {
      if let taken, names[taken.directory]?[taken.name] == number { names[taken.directory]?[taken.name] = nil }
      if let given { names[given.directory, default: [:]][given.name] = number }
    }
  }

  /// For each directory, its durable names and what they name.
  private(set) var durable: [Int: [String: Int]] = [:]
  private var pending: [Change] = []

  /// How many changes are not durable.
  var pendingCount: Int { pending.count }

  mutating func adopt(_ names: [String: Int], in directory: Int) { durable[directory] = names }

  mutating func create(_ name: String, _ number: Int, in directory: Int) {
    pending.append(Change(given: Place(directory: directory, name: name), number: number))
  }

  mutating func rename(
    _ number: Int, from name: String, in directory: Int, to newName: String, in newDirectory: Int
  ) {
    pending.append(
      Change(
        taken: Place(directory: directory, name: name), given: Place(directory: newDirectory, name: newName),
        number: number))
  }

  mutating func remove(_ name: String, _ number: Int, in directory: Int) {
    pending.append(Change(taken: Place(directory: directory, name: name), number: number))
  }

  /// The directory was synced when it had these names, and of the changes there had been the first `count`.
  mutating func sync(_ directory: Int, as names: [String: Int], count: Int) {
    // What leads into this directory or out of it takes with it what its other side builds upon.
    var due: Set<Int> = []
    var places: Set<Place> = []
    for index in pending.indices.prefix(count).reversed() {
      let change = pending[index]
      guard change.places.contains(where: { $0.directory == directory || places.contains($0) }) else { continue }
      due.insert(index)
      places.formUnion(change.places)
    }
    for index in due.sorted() { pending[index].apply(to: &durable) }
    pending = pending.indices.filter { !due.contains($0) }.map { pending[$0] }
    durable[directory] = names
  }

  /// What a machine might find: the durable names, and of the changes since each with the probability `chance`, unless one
  /// before it that concerned the same name was lost.
  func torn(chance: Double, by random: inout SplitMix) -> [Int: [String: Int]] {
    var names = durable
    var lost: Set<Place> = []
    for change in pending {
      let survives = Double.random(in: 0..<1, using: &random) < chance
      if survives, lost.isDisjoint(with: change.places) {
        change.apply(to: &names)
      } else {
        lost.formUnion(change.places)
      }
    }
    return names
  }
}
