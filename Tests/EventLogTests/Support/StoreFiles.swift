import Foundation

/// A store of a test's own, whose files are looked at and changed behind its back.
protocol StoreFiles {
  var path: String { get }
}

extension StoreFiles {
  func files(_ suffix: String) throws -> [String] {
    try FileManager.default.subpathsOfDirectory(atPath: path).filter { $0.hasSuffix(suffix) }.sorted().map {
      path + "/" + $0
    }
  }

  static func read(_ file: String) throws -> [UInt8] { Array(try Data(contentsOf: URL(fileURLWithPath: file))) }
  /// What tells two files apart, whatever they are called.
  static func inode(_ file: String) throws -> UInt64? {
    (try FileManager.default.attributesOfItem(atPath: file)[.systemFileNumber] as? NSNumber)?.uint64Value
  }
  static func write(_ bytes: [UInt8], to file: String) throws { try Data(bytes).write(to: URL(fileURLWithPath: file)) }
}
