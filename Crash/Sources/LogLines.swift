import Foundation

/// Lines of a log, without an end: those of a file, over and over, or such as a web server writes, by a seed.
struct LogLines: Sendable {
  private let seed: UInt64
  private let given: [String]

  init(seed: UInt64, file: String? = nil) throws {
    self.seed = seed
    guard let file else {
      given = []
      return
    }
    let text = String(decoding: try Data(contentsOf: URL(filePath: file)), as: UTF8.self)
    given = text.split(whereSeparator: \.isNewline).map(String.init)
    guard !given.isEmpty else { throw UsageError("\(file) has no lines") }
  }

  subscript(_ number: Int) -> String {
    guard given.isEmpty else { return given[number % given.count] }
    var generator = Generator(seed, 1, number)
    func any(_ choices: [String], _ generator: inout Generator) -> String {
      choices[Int.random(in: 0..<choices.count, using: &generator)]
    }
    let address = "10.\(generator.next() % 4).\(generator.next() % 256).\(generator.next() % 256)"
    let clock = (number / 3600 % 24, number / 60 % 60, number % 60)
    let time = [clock.0, clock.1, clock.2].map { $0 < 10 ? "0\($0)" : "\($0)" }.joined(separator: ":")
    let method = any(["GET", "GET", "GET", "POST", "PUT", "DELETE"], &generator)
    let path = any(["/", "/orders", "/orders/\(generator.next() % 9999)", "/login", "/static/app.js"], &generator)
    let status = any(["200", "200", "200", "204", "301", "404", "500"], &generator)
    let agent = any(["curl/8.5.0", "Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101", "-"], &generator)
    return "\(address) - - [24/Nov/2025:\(time) +0000] \"\(method) \(path) HTTP/1.1\" \(status) "
      + "\(generator.next() % 40_000) \"-\" \"\(agent)\""
  }
}
