import ArgumentParser
import EventLog

extension Acks: ExpressibleByArgument {
  public init?(argument: String) {
    switch argument {
    case "0": self = .none
    case "1": self = .leader
    case "all", "-1": self = .all
    default: return nil
    }
  }

  public static var allValueStrings: [String] { ["0", "1", "all"] }
}

extension CompressionType: ExpressibleByArgument {
  public init?(argument: String) { self.init(name: argument) }

  public static var allValueStrings: [String] { ["none", "gzip", "snappy", "lz4", "zstd"] }

  public var defaultValueDescription: String { name }
}

extension Isolation: ExpressibleByArgument {
  public init?(argument: String) {
    guard let isolation = Self.allCases.first(where: { $0.name == argument }) else { return nil }
    self = isolation
  }

  public static var allValueStrings: [String] { allCases.map(\.name) }

  public var defaultValueDescription: String { name }
}

/// `name=value`, as in `--config retention.ms=1000`.
struct KeyValue: ExpressibleByArgument {
  var name: String
  var value: String

  init?(argument: String) {
    guard let equals = argument.firstIndex(of: "="), equals != argument.startIndex else { return nil }
    name = String(argument[..<equals])
    value = String(argument[argument.index(after: equals)...])
  }
}
