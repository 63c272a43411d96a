import EventLog
import Foundation

/// Kills a process that works with the library, with SIGKILL and at random, and holds what is left to what was acknowledged.
@main
struct Crash {
  static func main() async {
    var arguments = Array(CommandLine.arguments.dropFirst())
    if arguments.first == "--child" {
      arguments.removeFirst()
      await beChild(arguments)
    }
    do {
      let options = try Options(arguments)
      exit(try await run(options) ? 0 : 1)
    } catch let error as UsageError {
      print("\(error)\n\(Options.usage)")
      exit(64)
    } catch {
      print("\(error)")
      exit(1)
    }
  }

  /// - Returns: whether all is as it should be.
  private static func run(_ options: Options) async throws -> Bool {
    let root = options.directory + "/eventlog-crash-\(ProcessInfo.processInfo.processIdentifier)"
    tell("seed \(options.seed)")
    var isWell = true
    for scenario in options.scenarios {
      do {
        var run = try Run(scenario, options, isPlanted: options.proves, in: root)
        let summary = try await run.run()
        if options.proves {
          tell("UNCAUGHT \(scenario.name): \(summary.rounds) rounds with its plant, and nothing was found")
          isWell = false
        } else {
          tell(
            "\(scenario.name): \(summary.rounds) kills (\(summary.killedOpening) while it opened), "
              + "\(summary.statements) statements, \(summary.checks) checks, \(String(format: "%.1f", summary.seconds)) s: well"
          )
        }
      } catch let failure as Failure {
        if options.proves, failure.cause is Violation {
          tell("\(scenario.name): its plant was caught in round \(failure.round): \(failure.cause)")
          try FileManager.default.removeItem(atPath: failure.kept)
        } else {
          tell("\(failure)")
          isWell = false
        }
      }
    }
    // Only where nothing is kept.
    rmdir(root)
    return isWell
  }

  private static func tell(_ line: String) {
    print(line)
    fflush(nil)
  }

  /// `SCENARIO DIRECTORY ROUND planted|honest SEED INPUT kill|cut`: works until it is killed.
  private static func beChild(_ arguments: [String]) async -> Never {
    guard arguments.count == 7, let scenario = Scenarios.all.first(where: { $0.name == arguments[0] }),
      let round = Int(arguments[2]), let seed = UInt64(arguments[4])
    else { exit(64) }
    do {
      let context = Context(
        directory: arguments[1], seed: seed,
        lines: try LogLines(seed: seed, file: arguments[5].isEmpty ? nil : arguments[5]))
      let child = Child(
        scenario: scenario, context: context, round: round, isPlanted: arguments[3] == "planted",
        losesPower: arguments[6] == "cut")
      try await scenario.work(child)
      child.say("failed (its work came to an end)")
    } catch {
      let text = "\(error)".split(separator: "\n").joined(separator: " ")
      _ = Array("failed \(text)\n".utf8).withUnsafeBytes { write(STDOUT_FILENO, $0.baseAddress, $0.count) }
    }
    exit(1)
  }
}
