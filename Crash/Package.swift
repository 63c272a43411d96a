// swift-tools-version: 6.1
import PackageDescription

let package = Package(
  name: "eventlog-crash",
  platforms: [.macOS(.v15)],
  dependencies: [
    .package(name: "eventlog", path: ".."),
    .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
  ],
  targets: [
    .executableTarget(
      name: "Crash",
      dependencies: [
        .product(name: "EventLog", package: "eventlog"), .product(name: "EventLogSQLite", package: "eventlog"),
        .product(name: "GRDB", package: "GRDB.swift"),
      ])
  ],
  swiftLanguageModes: [.v6]
)
