// swift-tools-version: 6.1
import PackageDescription

// Each codec stands behind a trait, all on by default: a build without them needs no library but SQLite. So do the services:
// a build without them needs no packages but the core's.
let traits: Set<Trait> = [
  .trait(name: "Gzip", description: "gzip compression, by the system's zlib (zlib1g-dev)"),
  .trait(name: "Zstd", description: "zstd compression, by the system's libzstd (libzstd-dev)"),
  .trait(name: "LZ4", description: "lz4 compression, by the system's liblz4 (liblz4-dev)"),
  .trait(name: "Snappy", description: "snappy compression, by the system's libsnappy (libsnappy-dev)"),
  .trait(
    name: "Services", description: "EventLogServices, with swift-service-lifecycle, metrics, tracing, configuration"),
  .default(enabledTraits: ["Gzip", "Zstd", "LZ4", "Snappy", "Services"]),
]

// `Lifetimes` lets a property return a span that is bound to its owner: see RecordFormat/RecordView.swift.
let settings: [SwiftSetting] = [
  .enableExperimentalFeature("Lifetimes"),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("InternalImportsByDefault"),
]

let services = TargetDependencyCondition.when(traits: ["Services"])

let package = Package(
  name: "eventlog",
  products: [
    .library(name: "EventLog", targets: ["EventLog"]),
    .library(name: "EventLogSQLite", targets: ["EventLogSQLite"]),
    .library(name: "EventLogTesting", targets: ["EventLogTesting"]),
    .library(name: "EventLogServices", targets: ["EventLogServices"]),
    .executable(name: "eventlog", targets: ["EventLogTool"]),
  ],
  traits: traits,
  dependencies: [
    .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
    // EventLogServices alone:
    .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
    .package(url: "https://github.com/apple/swift-metrics", from: "2.13.0"),
    .package(url: "https://github.com/apple/swift-distributed-tracing", from: "1.7.3"),
    .package(url: "https://github.com/apple/swift-configuration", from: "1.4.0", traits: []),
  ],
  targets: [
    // Floor 0: what Swift cannot say.
    .target(name: "CEventLog"),
    .systemLibrary(
      name: "CZlib", path: "Sources/CodecLibraries/CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
    .systemLibrary(
      name: "CZstd", path: "Sources/CodecLibraries/CZstd", pkgConfig: "libzstd", providers: [.apt(["libzstd-dev"])]),
    .systemLibrary(
      name: "CLZ4", path: "Sources/CodecLibraries/CLZ4", pkgConfig: "liblz4", providers: [.apt(["liblz4-dev"])]),
    .systemLibrary(
      name: "CSnappy", path: "Sources/CodecLibraries/CSnappy", pkgConfig: "snappy",
      providers: [.apt(["libsnappy-dev"])]),

    // Floor 1: bytes and records.
    .target(
      name: "RecordFormat",
      dependencies: [
        "CEventLog",
        .target(name: "CZlib", condition: .when(traits: ["Gzip"])),
        .target(name: "CZstd", condition: .when(traits: ["Zstd"])),
        .target(name: "CLZ4", condition: .when(traits: ["LZ4"])),
        .target(name: "CSnappy", condition: .when(traits: ["Snappy"])),
      ],
      swiftSettings: settings),

    // Floor 2: one partition on disk; all that is not record data.
    .target(name: "SegmentStore", dependencies: ["CEventLog", "RecordFormat"], swiftSettings: settings),
    .target(
      name: "MetadataStore",
      dependencies: ["RecordFormat", .product(name: "GRDB", package: "GRDB.swift")],
      swiftSettings: settings),

    // Floor 3: what users see.
    .target(
      name: "EventLog",
      dependencies: [
        "RecordFormat", "SegmentStore", "MetadataStore",
        .product(name: "Logging", package: "swift-log"),
      ],
      swiftSettings: settings),

    // Floor 4: what builds on the library. SegmentStoreTesting stands beside floor 2: a disk that fails on demand.
    .target(
      name: "SegmentStoreTesting", dependencies: ["RecordFormat", "SegmentStore"], swiftSettings: settings),
    .target(
      name: "EventLogTesting", dependencies: ["EventLog", "RecordFormat", "SegmentStore", "SegmentStoreTesting"],
      swiftSettings: settings),

    .target(
      name: "EventLogServices",
      dependencies: [
        "EventLog",
        .product(name: "Logging", package: "swift-log", condition: services),
        .product(name: "ServiceLifecycle", package: "swift-service-lifecycle", condition: services),
        .product(name: "Metrics", package: "swift-metrics", condition: services),
        .product(name: "Tracing", package: "swift-distributed-tracing", condition: services),
        .product(name: "Configuration", package: "swift-configuration", condition: services),
      ],
      swiftSettings: settings),
    .target(
      name: "EventLogSQLite", dependencies: ["EventLog", .product(name: "GRDB", package: "GRDB.swift")],
      swiftSettings: settings),

    // Floor 5: the tool.
    .executableTarget(
      name: "EventLogTool",
      dependencies: ["EventLog", .product(name: "ArgumentParser", package: "swift-argument-parser")],
      swiftSettings: [.enableUpcomingFeature("ExistentialAny")]),

    .testTarget(name: "RecordFormatTests", dependencies: ["RecordFormat"], swiftSettings: settings),
    .testTarget(
      name: "SegmentStoreTests", dependencies: ["SegmentStore", "SegmentStoreTesting"], swiftSettings: settings),
    .testTarget(
      name: "MetadataStoreTests", dependencies: ["MetadataStore", .product(name: "GRDB", package: "GRDB.swift")],
      swiftSettings: settings),
    .testTarget(
      name: "EventLogTests", dependencies: ["EventLog", "EventLogTesting"],
      resources: [.copy("Resources/kafka-segments")],
      swiftSettings: settings),
    .testTarget(
      name: "EventLogTestingTests", dependencies: ["EventLog", "EventLogTesting"], exclude: ["Golden"],
      swiftSettings: settings),
    .testTarget(
      name: "EventLogServicesTests",
      dependencies: [
        "EventLog", "EventLogServices", "EventLogTesting",
        .product(name: "Logging", package: "swift-log", condition: services),
        .product(name: "Configuration", package: "swift-configuration", condition: services),
        .product(name: "ServiceLifecycleTestKit", package: "swift-service-lifecycle", condition: services),
        .product(name: "MetricsTestKit", package: "swift-metrics", condition: services),
        .product(name: "InMemoryTracing", package: "swift-distributed-tracing", condition: services),
      ],
      swiftSettings: settings),
    .testTarget(
      name: "EventLogSQLiteTests",
      dependencies: ["EventLogSQLite", "EventLogTesting", .product(name: "GRDB", package: "GRDB.swift")],
      swiftSettings: settings),
    .testTarget(name: "EventLogToolTests", dependencies: ["EventLogTool", "EventLog"], swiftSettings: settings),
  ],
  swiftLanguageModes: [.v6]
)

// The fuzzers (Scripts/fuzz) call what is `package` here, the parsers themselves, and so can't be a package of their own.
if Context.environment["EVENTLOG_FUZZ"] != nil {
  package.targets.append(
    .executableTarget(
      name: "Fuzz", dependencies: ["RecordFormat", "SegmentStore"], path: "Fuzz", exclude: ["Corpus", "README.md"],
      swiftSettings: settings + [.unsafeFlags(["-parse-as-library"])]))
}

// What Scripts/crash kills is an application like a user's: it sees what is public here, and no more.
if Context.environment["EVENTLOG_CRASH"] != nil {
  package.targets.append(
    .executableTarget(
      name: "Crash",
      dependencies: ["EventLog", "EventLogSQLite", .product(name: "GRDB", package: "GRDB.swift")], path: "Crash",
      exclude: ["README.md"], packageAccess: false))
}
