internal import RecordFormat

/// Names beside a partition's directory, for what has to outlive it or to come before it.
package enum SiblingName {
  /// What the file systems of Linux allow a name to have.
  static let maximumBytes = 255

  /// `directory` with `suffix` behind its name. A topic's name may have 249 characters, which leaves no room for it:
  /// then a checksum stands in place of the topic's end, so that the name still looks like a partition's.
  package static func path(_ directory: String, suffix: String) -> String {
    let slash = directory.lastIndex(of: "/")
    let parent = slash.map { directory[...$0] } ?? ""
    let name = slash.map { directory[directory.index(after: $0)...] } ?? directory[...]
    let excess = name.utf8.count + suffix.utf8.count - maximumBytes
    guard excess > 0, let dash = name.lastIndex(of: "-") else { return directory + suffix }
    let checksum = Array(name.utf8).withUnsafeBytes { Checksum.crc32c($0) }
    let digits = String(checksum, radix: 16)
    return "\(parent)\(name[..<dash].dropLast(excess + digits.count))\(digits)\(name[dash...])\(suffix)"
  }
}
