import Foundation
import Testing

@testable import EventLog
import SegmentStore

@Suite("Times and durations by ISO 8601")
struct ISO8601Tests {
  @Test("are read as Foundation reads them", arguments: 0..<4 as Range<UInt64>)
  func dates(seed: UInt64) throws {
    var random = SplitMix(seed: seed)
    let formatter = ISO8601DateFormatter()
    formatter.formatOptions = [.withInternetDateTime, .withFractionalSeconds]
    for _ in 0..<500 {
      let milliseconds = Int64.random(in: -10_000_000_000_000...100_000_000_000_000, using: &random)
      formatter.timeZone = TimeZone(secondsFromGMT: 900 * Int.random(in: -40...40, using: &random))
      let text = formatter.string(from: Date(timeIntervalSince1970: Double(milliseconds) / 1000))
      let expected = try #require(formatter.date(from: text)).timeIntervalSince1970 * 1000
      #expect(ISO8601.milliseconds(text) == Int64(expected.rounded()), "\(text), seed \(seed)")
    }
  }

  @Test("are in UTC without a zone, and refused where they are in no calendar")
  func edges() {
    #expect(ISO8601.milliseconds("1970-01-01T00:00:00.000") == 0)
    #expect(ISO8601.milliseconds("1970-01-01T00:01") == 60_000)
    #expect(ISO8601.milliseconds("1970-01-01T00:00:00.5Z") == 500)
    #expect(ISO8601.milliseconds("1970-01-01T02:00:00+02") == 0)
    #expect(ISO8601.milliseconds("1969-12-31T22:30:00-0130") == 0)
    #expect(ISO8601.milliseconds("2024-02-29T00:00:00Z") == 1_709_164_800_000)
    for wrong in [
      "", "2024-02-29", "2023-02-29T00:00:00", "2024-13-01T00:00:00", "2024-00-01T00:00:00", "2024-01-01T24:00:00",
      "2024-01-01T00:60:00", "2024-01-01T00:00:00.", "2024-01-01 00:00:00", "24-01-01T00:00:00",
      "2024-01-01T00:00:00+99",
      "2024-01-01T00:00:00ZZ", "２０２４-01-01T00:00:00", "0000-01-01T00:00:00",
    ] {
      #expect(ISO8601.milliseconds(wrong) == nil, "\(wrong)")
    }
  }

  @Test("last as long as Java says")
  func durations() {
    let hour = Duration.seconds(3600)
    for (text, duration) in [
      ("PT1H", hour), ("pt1h", hour), ("P1D", hour * 24), ("P1DT1H", hour * 25), ("PT20.345S", .milliseconds(20_345)),
      ("PT15M", hour / 4), ("-PT1H", .zero - hour), ("PT-1H", .zero - hour), ("+PT+1H30M", hour * 1.5), ("PT0S", .zero),
      ("P0D", .zero), ("PT0,5S", .milliseconds(500)),
    ] {
      #expect(ISO8601.duration(text) == duration, "\(text)")
    }
    for wrong in [
      "", "P", "PT", "P1DT", "1H", "PT1", "P1H", "PT1D", "PT1M1H", "PT1.5H", "PT1H1H", "P1W", "PTS", "PT--1S",
    ] {
      #expect(ISO8601.duration(wrong) == nil, "\(wrong)")
    }
  }
}
