import Glibc
import SegmentStore
import Testing

@Suite("The system's time")
struct TimeSourceTests {
  private func wallMilliseconds() -> Int64 {
    var now = timespec()
    clock_gettime(CLOCK_REALTIME, &now)
    return Int64(now.tv_sec) * 1000 + Int64(now.tv_nsec) / 1_000_000
  }

  @Test("is the clock's, to the millisecond, however often it is asked for")
  func wall() {
    for _ in 0..<300_000 {
      let before = wallMilliseconds()
      let time = TimeSource.system.wallMilliseconds()
      #expect(before <= time)
      // A second look, which the first may have been kept for.
      let again = TimeSource.system.wallMilliseconds()
      #expect(time <= again)
      #expect(again <= wallMilliseconds())
    }
  }
}
