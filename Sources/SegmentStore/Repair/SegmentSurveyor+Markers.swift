internal import RecordFormat

// A marker that is lost would leave its transaction open, and what comes next in its place: what was committed would be
// aborted, or the other way round. What a lost one said can often be told.

extension SegmentSurveyor {
  /// The markers among the offsets that were lost of which it is known what they said. An ABORT stands in the `.txnindex`. A
  /// header that says it is a marker's, of a producer with an open transaction, was a COMMIT's where that index is complete.
  func lostMarkers(
    in offsets: Range<Int64>, _ headers: [RecordBatchHeader], _ transactions: OpenTransactions
  ) -> [SegmentSurvey.Marker] {
    var markers: [SegmentSurvey.Marker] = []
    for entry in aborted where offsets.contains(entry.lastOffset) {
      guard let open = transactions.open[entry.producerID] else { continue }
      let header = headers.first { $0.baseOffset == entry.lastOffset && $0.producerID == entry.producerID }
      markers.append(
        SegmentSurvey.Marker(
          kind: .abort, offset: entry.lastOffset, producerID: entry.producerID,
          epoch: max(open.epoch, header?.producerEpoch ?? open.epoch)))
    }
    guard snapshotAtEnd != nil else { return markers }
    for header in headers where header.attributes.isControl && header.attributes.isTransactional {
      guard header.lastOffsetDelta == 0, header.recordCount == 1, let open = transactions.open[header.producerID],
        header.producerEpoch >= open.epoch, !aborted.contains(where: { $0.lastOffset == header.baseOffset })
      else { continue }
      markers.append(
        SegmentSurvey.Marker(
          kind: .commit, offset: header.baseOffset, producerID: header.producerID, epoch: header.producerEpoch))
    }
    return markers
  }

  /// An ABORT of a transaction that began later than the one that is open by the log: that one was committed before.
  func inferMarker(
    before batch: RecordBatchView, _ survey: inout SegmentSurvey, _ transactions: inout OpenTransactions
  ) {
    let header = batch.header
    guard header.attributes.isControl, let open = transactions.open[header.producerID],
      let entry = aborted.first(where: { $0.lastOffset == header.lastOffset && $0.producerID == header.producerID }),
      entry.firstOffset > open.firstOffset
    else { return }
    commit(header.producerID, open, before: entry.firstOffset, &survey, &transactions)
  }

  /// Of a transaction that is open at the segment's end by the log, and that the snapshot there does not know, or knows a
  /// later one in its place.
  func inferMarkers(_ survey: inout SegmentSurvey, _ transactions: inout OpenTransactions) {
    guard let snapshotAtEnd else { return }
    for (id, open) in transactions.open.sorted(by: { $0.key < $1.key }) {
      let start = snapshotAtEnd.entries.first { $0.producerID == id }?.transactionStart ?? -1
      guard start < 0 || start > open.firstOffset else { continue }
      commit(id, open, before: start < 0 ? .max : start, &survey, &transactions)
    }
  }

  /// Has a transaction end, with a COMMIT, in the last place where it can have ended: all that was aborted is known.
  private func commit(
    _ id: Int64, _ open: OpenTransactions.Transaction, before limit: Int64, _ survey: inout SegmentSurvey,
    _ transactions: inout OpenTransactions
  ) {
    guard snapshotAtEnd != nil else { return }
    for number in survey.damages.indices.reversed() {
      let damage = survey.damages[number]
      guard damage.restored == nil, damage.offsets.lowerBound > open.firstOffset else { continue }
      let taken = Set(damage.markers.map(\.offset))
      var offset = min(damage.offsets.upperBound, limit) - 1
      while taken.contains(offset) { offset -= 1 }
      guard damage.offsets.contains(offset) else { continue }
      survey.damages[number].markers.append(
        SegmentSurvey.Marker(kind: .commit, offset: offset, producerID: id, epoch: open.epoch))
      survey.end = max(survey.end, offset + 1)
      transactions.close(id, next: limit == .max ? -1 : limit)
      return
    }
  }
}
