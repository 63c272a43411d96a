// swift-tools-version: 6.1
import Foundation
import PackageDescription

// A peer whose header is not installed is left out: Scripts/install-benchmark-peers installs them.
let libraries: [(header: String, library: String)] = [
  ("lmdb.h", "lmdb"), ("leveldb/c.h", "leveldb"), ("rocksdb/c.h", "rocksdb"), ("wiredtiger.h", "wiredtiger"),
  ("hiredis/hiredis.h", "hiredis"),
]
let linked = libraries.filter { FileManager.default.fileExists(atPath: "/usr/include/" + $0.header) }

let package = Package(
  name: "eventlog-benchmarks",
  platforms: [.macOS(.v15)],
  dependencies: [
    .package(name: "eventlog", path: "..")
  ],
  targets: [
    // The limits of the machine, in C: what a loop without a log around it does.
    .target(
      name: "CLimits", cSettings: [.unsafeFlags(["-O3", "-msse4.2"], .when(platforms: [.linux]))],
      linkerSettings: ["z", "zstd", "lz4", "snappy"].map { .linkedLibrary($0) }),
    // What a user would pick instead, a file each.
    .target(
      name: "CPeers", cSettings: [.unsafeFlags(["-O2", "-Wno-unused-parameter"])],
      linkerSettings: [.linkedLibrary("sqlite3")] + linked.map { .linkedLibrary($0.library) }),
    .executableTarget(
      name: "Comparison",
      dependencies: [
        "CLimits", "CPeers", .product(name: "EventLog", package: "eventlog"),
        .product(name: "EventLogTesting", package: "eventlog"),
      ]),
    // A small program for valgrind, which counts its instructions and allocations: Scripts/check-hot-paths.
    .executableTarget(name: "HotPaths", dependencies: [.product(name: "EventLog", package: "eventlog")]),
  ],
  swiftLanguageModes: [.v6]
)
