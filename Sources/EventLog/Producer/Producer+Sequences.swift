public import RecordFormat
internal import SegmentStore

// Sequence numbers of the caller's own: for who can't tell whether a batch was written, and sends it again.

extension Producer {
  /// The sequence number that the producer's next record has on a partition: how many records it has written there, modulo
  /// 2³¹. After a restart this tells a producer with a name how far it came, and so what need not be sent again.
  ///
  /// ```swift
  /// var configuration = ProducerConfiguration()
  /// configuration.name = "access.log"
  /// let producer = try broker.producer(configuration)
  /// for line in lines.dropFirst(Int(try producer.nextSequence(of: partition))) { … }
  /// ```
  ///
  /// - Throws: `illegalState` for a producer that is not idempotent, and for one with transactions; `unknownTopicOrPartition`;
  ///   `producerFenced` where another producer was made with the name, which goes on counting.
  public func nextSequence(of topicPartition: TopicPartition) throws -> Int32 {
    let log = try log(topicPartition)
    try lease?.requireHeld()
    return try log.nextSequence(of: requireSequences())?.sequence ?? 0
  }

  /// Blocks this thread until everything that a partition has is on the disk: what `nextSequence` counts may not be yet.
  ///
  /// - Throws: why it never will be; `unknownTopicOrPartition`.
  package func waitUntilDurable(_ topicPartition: TopicPartition) throws {
    let log = try log(topicPartition)
    try log.waitUntilDurable(upTo: log.logEndOffset)
  }

  /// Appends records to one partition as one batch whose first record has this sequence number. A batch that was written
  /// before, with the same numbers, is not written again: the answer says where it is.
  ///
  /// With `acks=all`, the default, it blocks its thread until the disk has the records.
  ///
  /// - Throws: `outOfOrderSequenceNumber` where another number is due; `duplicateSequenceNumber` where the records were
  ///   written so long ago that their offsets are not remembered (five batches are; after a clean stop, one);
  ///   `producerFenced` where another producer was made with the name; `illegalState` as `nextSequence`; else as
  ///   `append(_:to:)`.
  @discardableResult
  public func append(
    _ records: [Record], to topicPartition: TopicPartition, sequence: Int32
  ) throws -> BatchMetadata {
    guard let interceptors else { return try appendAsIs(records, topicPartition, sequence) }
    return try interceptors.around(records, to: topicPartition) { try appendAsIs($0, topicPartition, sequence) }
  }

  private func appendAsIs(
    _ records: [Record], _ topicPartition: TopicPartition, _ sequence: Int32
  ) throws -> BatchMetadata {
    let id = try requireSequences()
    guard sequence >= 0 else {
      throw EventLogError(.illegalArgument, "a sequence number can't be negative").at(topicPartition)
    }
    let log = try log(topicPartition)
    do throws(EventLogError) {
      let result = try append(to: log) { options throws(EventLogError) in
        var options = options
        options.producer.sequence = sequence
        return try log.append(records: records.span, options)
      }
      if awaitsDisk { try log.waitUntilDurable(upTo: result.nextOffset) }
      return batch(result, topicPartition)
    } catch {
      guard error.code == .outOfOrderSequenceNumber, let next = log.nextSequence(of: id)?.sequence else { throw error }
      // In the circle of 2³¹ numbers, the nearer half is the past.
      let end = SequenceNumber.add(Int32(truncatingIfNeeded: records.count), to: sequence)
      guard SequenceNumber.subtract(end, from: next) < 1 << 30 else { throw error }
      throw EventLogError(
        .duplicateSequenceNumber,
        "records with the sequence numbers from \(sequence) on were written before; the next one is \(next)"
      ).at(topicPartition)
    }
  }

  private func requireSequences() throws(EventLogError) -> Int64 {
    guard transaction == nil else {
      throw EventLogError(
        .illegalState, "a transactional producer's records have no sequence numbers of the caller's own")
    }
    guard options.producer.id >= 0 else {
      throw EventLogError(.illegalState, "the producer has no sequence numbers: enable.idempotence is false")
    }
    return options.producer.id
  }
}
