import EventLog
import Foundation

/// Rounds of one scenario: a child is started on what the last one left, listened to, and killed.
struct Run {
  let type: any Scenario.Type
  let options: Options
  let isPlanted: Bool
  private let directory: String
  private let context: Context
  private var scenario: any Scenario
  private var generator: Generator
  private var summary = Summary()
  private var round = 0
  private var deed = "nothing was killed yet"

  /// What a run came to.
  struct Summary {
    var rounds = 0
    var killedOpening = 0
    var statements = 0
    var checks = 0
    var seconds = 0.0
  }

  init(_ type: any Scenario.Type, _ options: Options, isPlanted: Bool, in root: String) throws {
    self.type = type
    self.options = options
    self.isPlanted = isPlanted
    directory = root + "/" + type.name
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    // Whoever made a directory has to see to it that its name is durable: that of the store is the store's business.
    if options.powerCut != nil { sync() }
    context = try options.context(directory)
    scenario = type.init(context)
    generator = Generator(options.seed, 7)
  }

  /// - Throws: `Failure`, where something does not hold.
  mutating func run() async throws -> Summary {
    let start = ContinuousClock.now
    do {
      let rounds = isPlanted ? options.provingRounds : options.rounds
      for number in 1...max(1, rounds) {
        round = number
        try kill()
        scenario.roundEnded(number)
        if generator.once(in: isPlanted ? 5 : 20) { try await check() }
      }
      deed = "after the last round"
      try await check(isLast: true)
      try hold(
        summary.statements > 0, "what was acknowledged", expected: "something",
        found: "nothing: this run proves nothing")
    } catch {
      throw Failure(scenario: type.name, seed: options.seed, round: round, deed: deed, cause: error, kept: directory)
    }
    try FileManager.default.removeItem(atPath: directory)
    summary.seconds = start.duration(to: .now) / .seconds(1)
    return summary
  }

  /// One round. A quarter of the kills are meant for the opening.
  private mutating func kill() throws {
    let isForOpening = generator.once(in: 4)
    let random = Double.random(in: 0..<1, using: &generator)
    let milliseconds = isForOpening ? random * 12 : 1 + random * random * 150
    let shown = String(format: "%.1f", milliseconds)
    let victim = try Victim(
      [
        "--child", type.name, directory, "\(round)", isPlanted ? "planted" : "honest", "\(options.seed)",
        options.input ?? "", options.powerCut == nil ? "kill" : "cut",
      ])
    let round = round
    var failure: String?
    var hasOpened = false
    func take(_ statement: Statement) throws {
      switch statement.word {
      case "open": hasOpened = true
      case "opening": break
      case "failed": failure = statement.text
      default:
        summary.statements += 1
        try scenario.note(statement, round: round)
      }
    }
    // Whatever does not hold, the child has to go.
    do {
      let begins = isForOpening ? "opening" : "open"
      deed = "waiting for the child to say \"\(begins)\""
      let hasBegun = try victim.listen(until: .now + .seconds(60), for: begins, take)
      if !isForOpening, hasBegun { hasOpened = true }
      if !hasBegun, !victim.hasEnded {
        throw Violation("the child", expected: "to say \"\(begins)\" within a minute", found: "nothing of that")
      }
      deed = "listening, to kill it \(shown) ms after it said \"\(begins)\""
      _ = try victim.listen(until: .now + .microseconds(Int(milliseconds * 1000)), take)
    } catch {
      _ = try? victim.kill { _ in }
      throw error
    }
    let end = try victim.kill(with: options.powerCut, take)
    deed = "killed \(shown) ms after it said \"\(isForOpening ? "opening" : "open")\""
    if let failure { throw Violation("the child", expected: "to work until it is killed", found: failure) }
    if let end { throw Violation("the child", expected: "to work until it is killed", found: "it ended \(end)") }
    try options.powerCut?.restore()
    summary.rounds += 1
    if !hasOpened { summary.killedOpening += 1 }
  }

  private mutating func check(isLast: Bool = false) async throws {
    let broker = try Store.open(type, directory)
    do {
      if isLast { try await scenario.finish(broker) }
      try await scenario.check(broker)
    } catch {
      // Else it would go on in a directory that is about to be looked at, or removed.
      try? broker.close()
      throw error
    }
    try broker.close()
    try Store.verify(directory)
    summary.checks += 1
  }
}

/// What did not hold, and how to see it again.
struct Failure: Error, CustomStringConvertible {
  var scenario: String
  var seed: UInt64
  var round: Int
  var deed: String
  var cause: any Error
  var kept: String

  var description: String {
    """
    FAILED \(scenario)
      seed      \(seed)
      round     \(round), \(deed)
      \(cause)
      kept      \(kept)
      again     Scripts/crash --seed \(seed) \(round) \(scenario)
    """
  }
}
