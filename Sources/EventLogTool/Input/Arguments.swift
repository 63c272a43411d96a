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
    switch argument {
    case "read_uncommitted": self = .readUncommitted
    case "read_committed": self = .readCommitted
    default: return nil
    }
  }

  public static var allValueStrings: [String] { ["read_uncommitted", "read_committed"] }

  public var defaultValueDescription: String { self == .readCommitted ? "read_committed" : "read_uncommitted" }
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
