import Testing

@testable import EventLog

// The numbers are those that Java gives.
@Suite("Java's orders")
struct JavaOrderTests {
  @Test("of strings go by UTF-16 units")
  func strings() {
    #expect(JavaOrder.precedes("c10", "c2"))
    #expect(JavaOrder.precedes("c", "c1") && !JavaOrder.precedes("c", "c"))
    // A pair of surrogates is less than what lies above them, though the character is greater.
    #expect(JavaOrder.precedes("\u{1F600}", "\u{FF5E}"))
  }

  @Test(
    "have the hash of a string",
    arguments: [
      ("", 0), ("consumer1", -421_004_549), ("topic", 110_546_223), ("c-élan", -1_412_074_694),
      ("\u{1F600}x", 54_959_989), ("a-long-client-id-4711-0b51b8b2-0d7f-4b4a-9f54-5b2c9f3a8d11", 1_214_011_194),
    ] as [(String, Int32)])
  func hash(string: String, hash: Int32) {
    #expect(JavaOrder.hash(string) == hash)
  }

  @Test(
    "of a hash map's keys",
    arguments: [
      [0, 2, 1], [3, 4, 0, 2, 1], [3, 6, 7, 11, 9, 4, 0, 8, 10, 2, 5, 1], [7, 11, 9, 4, 8, 10, 2, 3, 6, 0, 5, 1, 12],
      [
        7, 11, 29, 22, 13, 19, 8, 25, 2, 3, 20, 17, 18, 28, 5, 12, 21, 27, 26, 9, 4, 15, 16, 10, 24, 6, 0, 23, 14, 1,
      ],
    ])
  func hashMap(order: [Int]) {
    #expect(JavaOrder.hashMapOrder(order.indices.map { "member-\($0 * 7919)" }) == order)
  }
}
