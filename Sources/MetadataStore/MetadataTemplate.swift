internal import Synchronization

/// The bytes of a database with its tables and nothing in them: what a store without durability begins as, since making the
/// tables takes longer than all that most tests do with them. Kept from the first such store of the process.
package enum MetadataTemplate {
  private static let kept = Mutex<[UInt8]?>(nil)

  package static var bytes: [UInt8]? { kept.withLock { $0 } }

  package static func keep(_ bytes: [UInt8]) {
    kept.withLock { $0 = bytes }
  }
}
