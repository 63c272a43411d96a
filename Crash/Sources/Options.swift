import Foundation

/// The command line.
struct Options {
  var rounds = 200
  var scenarios: [any Scenario.Type] = []
  var seed = UInt64.random(in: 1...999_999_999)
  /// Whether each scenario is to be seen failing, with its plant.
  var proves = false
  /// How many rounds a plant has to be found in.
  var provingRounds = 100
  /// A file whose lines the pipeline is given.
  var input: String?
  /// The program that cuts the power of the file system that the scenarios work on, and brings it back; nil where the process
  /// alone dies.
  var powerCut: PowerCut?
  /// Where the scenarios work.
  var directory = FileManager.default.temporaryDirectory.path

  static let usage = """
    usage: crash [--prove] [--seed SEED] [--input FILE] [--dir DIR] [--power-cut PROGRAM] [ROUNDS [SCENARIO…]]
    scenarios: \(Scenarios.all.map { $0.name }.joined(separator: " "))
    """

  init(_ arguments: [String]) throws {
    var rest = arguments[...]
    func value(of option: String) throws -> String {
      guard let value = rest.popFirst() else { throw UsageError("\(option) needs a value") }
      return value
    }
    while let argument = rest.popFirst() {
      switch argument {
      case "--prove": proves = true
      case "--seed":
        guard let number = UInt64(try value(of: argument)) else { throw UsageError("--seed needs a number") }
        seed = number
      case "--input": input = try value(of: argument)
      case "--power-cut": powerCut = PowerCut(program: try value(of: argument))
      case "--dir": directory = try value(of: argument)
      default:
        if let number = Int(argument), number > 0 {
          rounds = number
        } else if let scenario = Scenarios.all.first(where: { $0.name == argument }) {
          scenarios.append(scenario)
        } else {
          throw UsageError("\"\(argument)\" is neither an option, nor a number of rounds, nor a scenario")
        }
      }
    }
    if scenarios.isEmpty { scenarios = Scenarios.all }
  }

  func context(_ directory: String) throws -> Context {
    Context(directory: directory, seed: seed, lines: try LogLines(seed: seed, file: input))
  }
}
