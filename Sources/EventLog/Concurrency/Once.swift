internal import Synchronization

/// Lets one caller through.
final class Once: Sendable {
  private let isOver = Atomic(false)

  func isFirst() -> Bool { !isOver.exchange(true, ordering: .acquiringAndReleasing) }
}
