internal import Synchronization

/// Contexts of a codec's library that nobody uses at the moment. To make one takes longer than to compress a small batch.
///
/// Who takes one has it alone until it gives it back, or frees it.
final class IdleContexts: Sendable {
  /// As many as threads are likely to compress at a time; the others are freed after use.
  private static let limit = 8
  /// Their addresses, which are not dereferenced here.
  private let addresses = Mutex<[UInt]>([])

  func take() -> OpaquePointer? {
    addresses.withLock { $0.popLast() }.flatMap { OpaquePointer(bitPattern: $0) }
  }

  /// Keeps a context for the next; false where there are enough, and the caller is to free it.
  func giveBack(_ context: OpaquePointer) -> Bool {
    let address = UInt(bitPattern: context)
    return addresses.withLock { addresses in
      guard addresses.count < Self.limit else { return false }
      addresses.append(address)
      return true
    }
  }
}
