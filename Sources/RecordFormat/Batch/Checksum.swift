internal import CEventLog

/// CRC-32C, the checksum of record batches, by the quickest way that the processor has.
package enum Checksum {
  /// The CRC-32C of `bytes`, continued from the checksum of what came before (0 at the beginning).
  package static func crc32c(_ bytes: UnsafeRawBufferPointer, continuing crc: UInt32 = 0) -> UInt32 {
    cel_crc32c(crc, bytes.baseAddress, bytes.count)
  }

  /// The same for bytes that are not in the processor's caches.
  package static func crc32cCold(_ bytes: UnsafeRawBufferPointer, continuing crc: UInt32 = 0) -> UInt32 {
    cel_crc32c_cold(crc, bytes.baseAddress, bytes.count)
  }

  /// The ways to compute it, the quickest last. Processors differ in how many of them they have.
  package enum Way: UInt32, CaseIterable, Sendable {
    case tables
    case instruction
    case folding
  }

  /// The same by one of the ways, or by the next slower one that this processor has.
  package static func crc32c(
    _ bytes: UnsafeRawBufferPointer, continuing crc: UInt32 = 0, by way: Way
  ) -> UInt32 {
    cel_crc32c_by(cel_crc32c_way(way.rawValue), crc, bytes.baseAddress, bytes.count)
  }
}
