import SegmentStore
import Testing

@Suite("An append-only array")
struct AppendOnlyArrayTests {
  @Test("holds what was appended, across all its chunks")
  func holds() {
    let array = AppendOnlyArray<Int>()
    for number in 0..<5000 { array.append(number * 3) }
    #expect(array.count == 5000)
    #expect((0..<5000).allSatisfy { array[$0] == $0 * 3 })
    for target in stride(from: 0, to: 15000, by: 7) {
      #expect(array.partitionPoint { $0 < target } == (target + 2) / 3)
    }
  }

  @Test("can be read while it grows")
  func concurrent() async {
    let array = AppendOnlyArray<Int>()
    await withTaskGroup(of: Void.self) { group in
      group.addTask { for number in 0..<50_000 { array.append(number) } }
      group.addTask {
        var seen = 0
        while seen < 50_000 {
          let count = array.count
          #expect(count >= seen)
          if count > 0 { #expect(array[count - 1] == count - 1) }
          seen = count
        }
      }
    }
  }
}
