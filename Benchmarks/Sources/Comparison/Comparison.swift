import Foundation

/// Measures EventLog and, on the same work and in the same run, what a user would pick instead and what the machine can do.
///
/// Every contender runs once a round, in turn, so that a machine whose speed drifts is fair to all. What counts are the
/// ratios of one run.
@main
struct Comparison {
  static func main() async throws {
    let arguments = Array(CommandLine.arguments.dropFirst())
    if arguments.first == "--child" { return try await Child.run(Array(arguments.dropFirst())) }
    let options = try Options(arguments)
    let all = Workloads.all(options.size)
    guard all.contains(where: options.includes) else {
      print("no workload's id or name holds \(options.only.joined(separator: " or ")); there are:")
      for workload in all { print("  \(workload.id): \(workload.name)") }
      exit(64)
    }
    let directory = options.directory ?? FileManager.default.temporaryDirectory.path
    let root = directory + "/eventlog-benchmark-\(ProcessInfo.processInfo.processIdentifier)"
    try FileManager.default.createDirectory(atPath: root, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: root) }
    WarmMemory.touch(options.size.memoryAtFirst)
    for workload in all where options.includes(workload) {
      guard workload.contenders.contains(where: options.includes) else { continue }
      let result = try await workload.run(options.size, root: root, among: options.includes)
      print(Report.text(of: result))
      fflush(nil)
      if let results = options.results { try Results(results).write(result) }
    }
    if let results = options.results { try Results(results).summarize(all.map(\.id)) }
  }
}

struct Options {
  var size = Size.full
  /// Words of which the workload's id or name has to hold some; all workloads where there are none.
  var only: [String] = []
  /// Words of which a contender's name has to hold some, for a profile of one of them; all where there are none.
  var contenders: [String] = []
  /// Where the contenders work.
  var directory: String?
  /// `Benchmarks/results`, where the tables and plots go.
  var results: String?

  func includes(_ workload: Workload) -> Bool {
    only.isEmpty || only.contains { "\(workload.id) \(workload.name)".contains($0) }
  }

  func includes(_ contender: Workload.Contender) -> Bool {
    contenders.isEmpty || contenders.contains { contender.name.contains($0) }
  }

  init(_ arguments: [String]) throws {
    var rest = arguments[...]
    while let argument = rest.popFirst() {
      switch argument {
      case "--smoke": size = .smoke
      case "--only": if let words = rest.popFirst() { only.append(words) }
      case "--contender": if let words = rest.popFirst() { contenders.append(words) }
      case "--dir": directory = rest.popFirst()
      case "--write": results = FileManager.default.currentDirectoryPath + "/results"
      default:
        print("unknown argument: \(argument)")
        exit(64)
      }
    }
  }
}

/// How much is measured.
struct Size: Sendable {
  var rounds: Int
  /// What counts of operations are divided by.
  var scale: Int
  /// How long a contender may take for one round of a workload that can end at any time, in seconds.
  var limit: Double

  /// How much page cache every contender is to find that the machine has really got.
  var memory: Int

  /// How much memory the whole run may expect to need at one time.
  var memoryAtFirst: Int

  static let full = Size(rounds: 5, scale: 1, limit: 0.5, memory: 512 << 20, memoryAtFirst: 8 << 30)
  static let smoke = Size(rounds: 1, scale: 50, limit: 0.02, memory: 0, memoryAtFirst: 0)

  func count(_ full: Int) -> Int { max(1, full / scale) }

  /// For who does two things in a round.
  var halved: Size {
    var half = self
    half.limit /= 2
    return half
  }
}
