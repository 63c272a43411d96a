extension FileSystem {
  /// Calls `sync` with each element in turn, to sync its file. Before, the system is told of several of them what is going to be
  /// asked of it: a journaling file system then commits once for many, where each would have waited for a commit of its own.
  ///
  /// - Parameters:
  ///   - file: opens an element's file; nil where there is nothing to write out.
  ///   - sync: is given that file, which is closed afterwards.
  func syncInTurn<Element>(
    _ elements: [Element], file: (Element) -> FileDescriptor?, sync: (Element, FileDescriptor?) -> Void
  ) {
    // So many that the commits hardly count; so few that the first has not long to wait, and that descriptors are spared.
    let count = 128
    for start in stride(from: 0, to: elements.count, by: count) {
      // They stay open until they are synced: a file that nobody holds the system may forget, and with it that it could not be
      // written.
      let next = elements[start..<min(start + count, elements.count)].map { ($0, file($0)) }
      if elements.count > 1 { for case (_, let file?) in next { startWriteback(file) } }
      for (element, file) in next { sync(element, file) }
      for case (_, let file?) in next { close(file) }
    }
  }
}
