import ArgumentParser
import EventLog

/// Where to begin: `beginning`, `end`, an offset, `-` and how many records from the end, or `@` and a timestamp in
/// milliseconds.
enum StartPosition: ExpressibleByArgument {
  case beginning
  case end
  case offset(Int64)
  case fromEnd(Int64)
  case timestamp(Int64)

  init?(argument: String) {
    switch argument {
    case "beginning", "earliest": self = .beginning
    case "end", "latest": self = .end
    default:
      if argument.hasPrefix("@"), let time = Int64(argument.dropFirst()), time >= 0 {
        self = .timestamp(time)
      } else if argument.hasPrefix("-"), let count = Int64(argument.dropFirst()), count >= 0 {
        self = .fromEnd(count)
      } else if let offset = Int64(argument), offset >= 0 {
        self = .offset(offset)
      } else {
        return nil
      }
    }
  }

  /// The offset to begin with in a partition that ends with `end`, kept within what there is.
  func offset(_ broker: Broker, _ partition: TopicPartition, end: Int64) throws -> Int64 {
    func within(_ offset: Int64) throws -> Int64 {
      let first = try broker.admin.listOffsets([partition: .earliest])[partition]??.offset ?? 0
      return max(first, min(offset, end))
    }
    func said(_ offset: Int64) throws -> Int64 {
      let found = try within(offset)
      if found != offset {
        Terminal.error("warning: \(partition): offset \(offset) is not in the log; \(found) is taken instead")
      }
      return found
    }
    switch self {
    case .beginning: return try within(0)
    case .end: return end
    case .offset(let offset): return try said(offset)
    case .fromEnd(let count): return try within(end - min(count, end))
    case .timestamp(let time):
      return try broker.admin.listOffsets([partition: .timestamp(time)])[partition]??.offset ?? end
    }
  }
}
