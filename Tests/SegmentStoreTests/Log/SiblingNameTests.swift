import Testing

@testable import SegmentStore

@Suite("A name beside a partition's directory")
struct SiblingNameTests {
  @Test("is the directory's with the suffix where there is room for it")
  func short() {
    #expect(SiblingName.path("/data/orders-3", suffix: "-delete") == "/data/orders-3-delete")
    #expect(SiblingName.path("orders-3", suffix: "-delete") == "orders-3-delete")
  }

  @Test(
    "is one that a file system takes, its own, and a partition's by its looks, for the longest topic's too",
    arguments: [0, 7, 99_999])
  func long(partition: Int) throws {
    var names: Set<String> = []
    for ending in ["a", "b"] {
      let topic = String(repeating: "y", count: 248) + ending
      for suffix in ["-delete", "-import", ".sync-failed"] {
        let name = SiblingName.path("/data/\(topic)-\(partition)", suffix: suffix).dropFirst("/data/".count)
        #expect(name.utf8.count <= 255)
        #expect(name.hasPrefix("yyyy"))
        #expect(name.hasSuffix("-\(partition)\(suffix)"))
        #expect(names.insert(String(name)).inserted)
      }
    }
  }
}
