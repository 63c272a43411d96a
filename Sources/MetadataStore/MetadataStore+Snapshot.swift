internal import GRDB
package import RecordFormat

extension MetadataStore {
  /// Copies the database as it is at one moment, while others go on writing to it, into a new file.
  package func snapshot(to path: String) throws(EventLogError) {
    try MetadataStore.mapErrors(path) {
      let copy = try DatabaseQueue(path: path)
      try backup(to: copy)
      try copy.close()
    }
  }
}
