// swift-tools-version: 6.1
import PackageDescription

let package = Package(
  name: "eventlog-benchmarks",
  platforms: [.macOS(.v15)],
  dependencies: [
    .package(name: "eventlog", path: "..")
  ],
  targets: [
    // The limits of the machine, in C: what a loop without a log around it does.
    .target(name: "CLimits", cSettings: [.unsafeFlags(["-O3", "-msse4.2"], .when(platforms: [.linux]))]),
    .systemLibrary(name: "CSQLite", pkgConfig: "sqlite3", providers: [.apt(["libsqlite3-dev"])]),
    .executableTarget(
      name: "Comparison",
      dependencies: [
        "CLimits", "CSQLite", .product(name: "EventLog", package: "eventlog"),
        .product(name: "EventLogTesting", package: "eventlog"),
      ]),
    // Run by Scripts/costs under a tool that counts instructions.
    .executableTarget(name: "Costs", dependencies: [.product(name: "EventLog", package: "eventlog")]),
  ],
  swiftLanguageModes: [.v6]
)
