import Testing

@testable import EventLog

@Suite("Java's orders")
struct JavaOrderTests {
  @Test("of strings go by UTF-16 units")
  func strings() {
    #expect(JavaOrder.precedes("c10", "c2"))
    #expect(JavaOrder.precedes("c", "c1") && !JavaOrder.precedes("c", "c"))
    // A pair of surrogates is less than what lies above them, though the character is greater.
    #expect(JavaOrder.precedes("\u{1F600}", "\u{FF5E}"))
    #expect(JavaOrder.hash("") == 0)
  }

  @Test("of hash tables")
  func hashTables() {
    #expect(JavaOrder.capacity(count: 12) == 16 && JavaOrder.capacity(count: 13) == 32)
  }
}
