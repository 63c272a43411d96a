internal import MetadataStore
internal import SegmentStore

extension Consumer {
  /// The short way of a commit of the positions: on this thread, without what it takes to wait for another one.
  ///
  /// - Returns: false where it did nothing, because there is more to do, something to wait for, or something to refuse.
  /// - Throws: `illegalState` once the broker is closed; what the metadata store refuses.
  func commitAtOnce() throws(EventLogError) -> Bool {
    guard let group = configuration.group, interceptors == nil, !Task.isCancelled, tryExclusively() else {
      return false
    }
    defer { endExclusively() }
    guard !isWokenUp, let positions = positionsToCommit(group) else { return false }
    return try broker.offsets.commitAtOnce(group, positions)
  }

  /// The positions of all partitions; nil where the consumer may not commit now, or one of them is not known.
  private func positionsToCommit(_ group: String) -> [CommittedPosition]? {
    let now = broker.context.time.wallMilliseconds()
    let topics = broker.topicTable
    // Not under the lock: this may be the loop's last reference.
    guard state.withLock({ $0.loop }) == nil else { return nil }
    let found = state.withLock { state -> (positions: [CommittedPosition], member: String?, generation: Int32)? in
      guard !state.isClosed, state.callbacks.isEmpty, !state.membership.isJoining,
        let positions = state.positions.all(at: now, topics)
      else { return nil }
      guard state.subscription.ofGroup != nil else { return (positions, nil, -1) }
      return (positions, state.membership.memberID ?? "", state.membership.generation)
    }
    guard let found else { return nil }
    do throws(EventLogError) {
      try broker.groups.validateCommit(
        group, memberID: found.member, instanceID: configuration.groupInstanceID, generation: found.generation)
    } catch {
      return nil
    }
    return found.positions
  }
}
