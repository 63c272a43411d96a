internal import Synchronization

/// An array that one writer appends to while any number of readers read what is already there, without a lock.
///
/// Elements never move: they lie in chunks, each twice as large as the one before, so that a reader's place stays valid
/// while the writer goes on.
///
/// `@unchecked Sendable`: an element is written before `count` is raised past it (release), and read only below a
/// `count` that was loaded (acquire). The caller sees to it that there is one writer at a time.
package final class AppendOnlyArray<Element: BitwiseCopyable & Sendable>: @unchecked Sendable {
  private static var firstChunkBits: Int { 5 }
  private static var firstChunk: Int { 1 << firstChunkBits }

  private var chunks: InlineArray<27, UnsafeMutablePointer<Element>?> = .init(repeating: nil)
  private let published = Atomic<Int>(0)

  package init() {}

  package convenience init(_ elements: some Sequence<Element>) {
    self.init()
    for element in elements { append(element) }
  }

  deinit {
    for index in chunks.indices { chunks[index]?.deallocate() }
  }

  package var count: Int { published.load(ordering: .acquiring) }

  package var last: Element? {
    let count = count
    return count == 0 ? nil : self[count - 1]
  }

  /// The element at `index`, which is below `count`.
  package subscript(index: Int) -> Element {
    let (chunk, place) = Self.locate(index)
    guard let pointer = chunks[chunk] else { preconditionFailure("index \(index) beyond the end") }
    return pointer[place]
  }

  package func append(_ element: Element) {
    let index = published.load(ordering: .relaxed)
    let (chunk, place) = Self.locate(index)
    let pointer: UnsafeMutablePointer<Element>
    if let existing = chunks[chunk] {
      pointer = existing
    } else {
      pointer = .allocate(capacity: Self.firstChunk << chunk)
      chunks[chunk] = pointer
    }
    pointer[place] = element
    published.store(index + 1, ordering: .releasing)
  }

  /// How many leading elements satisfy `predicate`, which must hold for a prefix and for nothing after it.
  package func partitionPoint(_ predicate: (Element) -> Bool) -> Int {
    var low = 0
    var high = count
    while low < high {
      let middle = (low + high) / 2
      if predicate(self[middle]) { low = middle + 1 } else { high = middle }
    }
    return low
  }

  // Chunk k begins at (2^k - 1) * firstChunk.
  private static func locate(_ index: Int) -> (chunk: Int, place: Int) {
    let number = (index &>> firstChunkBits) &+ 1
    let chunk = Int.bitWidth &- 1 &- number.leadingZeroBitCount
    return (chunk, index &- (((1 &<< chunk) &- 1) &<< firstChunkBits))
  }
}
