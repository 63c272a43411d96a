internal import RecordFormat

extension FileSystem {
  /// Calls `sync` with each element in turn, to sync its file. Before, the system is told of several of them what is going to be
  /// asked of it: a journaling file system then commits once for many, where each would have waited for a commit of its own.
  ///
  /// - Parameters:
  ///   - file: opens an element's file; nil where there is nothing to write out.
  ///   - sync: is given that file, which is closed afterwards; nil also where one could not be opened, or there is a single element.
  func syncInTurn<Element>(
    _ elements: [Element], file: (Element) throws(EventLogError) -> FileDescriptor?,
    sync: (Element, FileDescriptor?) -> Void
  ) {
    guard elements.count > 1 else { return elements.forEach { sync($0, nil) } }
    // So many that the commits hardly count; so few that descriptors are spared.
    let count = 32
    for start in stride(from: 0, to: elements.count, by: count) {
      let next = elements[start..<min(start + count, elements.count)]
      // They stay open until they are synced: a file that nobody holds the system may forget, and with it that it could not be
      // written.
      let files = openAll(next, file)
      for case let file? in files { startWriteback(file) }
      for (element, file) in zip(next, files) { sync(element, file) }
      for case let file? in files { close(file) }
    }
  }

  /// All files, or none: where one can't be opened for want of descriptors, the syncs need those that are left.
  private func openAll<Element>(
    _ elements: ArraySlice<Element>, _ file: (Element) throws(EventLogError) -> FileDescriptor?
  ) -> [FileDescriptor?] {
    var files: [FileDescriptor?] = []
    for element in elements {
      do throws(EventLogError) {
        files.append(try file(element))
      } catch {
        for case let file? in files { close(file) }
        return elements.map { _ in nil }
      }
    }
    return files
  }
}
