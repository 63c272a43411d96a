/// Who appends a batch: what an idempotent or transactional producer writes into its header.
package struct ProducerStamp: Sendable, Hashable {
  /// The producer's id; -1 for a producer without one.
  package var id: Int64
  package var epoch: Int16
  /// The sequence number of the first record, or `following`.
  package var sequence: Int32
  package var isTransactional: Bool
  /// Whether the batch is a marker, which takes no sequence number.
  var isControl = false
  /// Whether its batches are counted.
  var hasSequences: Bool { id >= 0 && !isControl }

  /// The sequence number that is due: who never sends a batch a second time need not count.
  package static let following: Int32 = -1
  package static let none = ProducerStamp(id: -1, epoch: -1)

  package init(id: Int64, epoch: Int16, sequence: Int32 = following, isTransactional: Bool = false) {
    self.id = id
    self.epoch = epoch
    self.sequence = sequence
    self.isTransactional = isTransactional
  }
}
