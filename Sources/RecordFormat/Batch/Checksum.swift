internal import CEventLog

/// CRC-32C, the checksum of record batches, by the processor's instruction where it has one.
package enum Checksum {
  /// The CRC-32C of `bytes`, continued from the checksum of what came before (0 at the beginning).
  package static func crc32c(_ bytes: UnsafeRawBufferPointer, continuing crc: UInt32 = 0) -> UInt32 {
    cel_crc32c(crc, bytes.baseAddress, bytes.count)
  }

  /// The same for bytes that are not in the processor's caches: a fifth faster there.
  package static func crc32cCold(_ bytes: UnsafeRawBufferPointer, continuing crc: UInt32 = 0) -> UInt32 {
    cel_crc32c_cold(crc, bytes.baseAddress, bytes.count)
  }

  /// The same by tables: what processors without the instruction run.
  package static func crc32cSoftware(_ bytes: UnsafeRawBufferPointer, continuing crc: UInt32 = 0) -> UInt32 {
    cel_crc32c_software(crc, bytes.baseAddress, bytes.count)
  }

  /// Whether this processor has the instruction.
  package static var isHardware: Bool { cel_crc32c_is_hardware() != 0 }
}
