package import SegmentStore

/// What a broker takes from the world around it. Tests give other things: a clock that they move, a file system that fails
/// when they say, a seed.
package struct BrokerEnvironment: Sendable {
  package var fileSystem: any FileSystem = LocalFileSystem()
  package var time: TimeSource = .system
  package var random: RandomSource = .system
  /// Whether what SQLite has committed survives a power cut. Nobody needs that of a test's directory.
  package var metadataIsDurable = true

  package init() {}
}
