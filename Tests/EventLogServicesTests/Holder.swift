import Synchronization

@testable import EventLogServices

/// Lets a closure reach the service that it belongs to.
final class Holder: Sendable {
  private let service = Mutex<ConsumerService?>(nil)

  func set(_ value: ConsumerService) { service.withLock { $0 = value } }
  func report() { service.withLock { $0 }?.report() }
}
