import EventLog

/// What `verify --repair` prints: a fault a line, what is done about it, what is lost, and a summary.
extension StoreRepair.Report {
  func show(json: Bool) throws {
    for finding in findings {
      try Terminal.line(json ? finding.json.text : finding.line(isDryRun: isDryRun))
    }
    for note in notes { try note.show(as: "note", json: json) }
    try Terminal.line(json ? summaryJSON.text : summary)
  }

  private var repaired: Int { findings.count - notRepaired }

  private var summary: String {
    var text = "\(partitions) partitions: "
    guard !findings.isEmpty else { return text + "all sound" }
    text += "\(findings.count) \(findings.count == 1 ? "fault" : "faults"), \(repaired) "
    text += isDryRun ? "would be repaired" : "repaired"
    if notRepaired > 0 { text += ", \(notRepaired) can't be repaired here" }
    guard !losses.isEmpty else {
      return text + (notes.isEmpty ? "; no record is lost" : "; no record is known to be lost")
    }
    let known = losses.compactMap(\.records).reduce(0, +)
    let unknown = losses.count { $0.records == nil }
    text += isDryRun ? "; lost would be " : "; lost: "
    text += "\(known) records"
    if unknown > 0 { text += ", and in \(unknown) \(unknown == 1 ? "place" : "places") nobody knows how many" }
    return text
  }

  private var summaryJSON: JSON {
    .object([
      ("partitions", .number(partitions)), ("faults", .number(findings.count)), ("repaired", .number(repaired)),
      ("notRepaired", .number(notRepaired)), ("losses", .number(losses.count)),
      ("recordsLost", .number(losses.compactMap(\.records).reduce(0, +))),
      ("lossesOfUnknownSize", .number(losses.count { $0.records == nil })), ("notes", .number(notes.count)),
      ("dryRun", .bool(isDryRun)),
    ])
  }
}

extension StoreRepair.Finding {
  fileprivate func line(isDryRun: Bool) -> String {
    var text = file + (position.map { " at \($0)" } ?? "") + ": " + message
    text += remedy.map { (isDryRun ? "; to be " : "; ") + $0 } ?? "; not repaired"
    guard let loss else { return text }
    text += "; lost: \(loss.topicPartition) offsets \(loss.offsets.lowerBound) to \(loss.offsets.upperBound - 1), "
    text += loss.records.map { "\($0) \($0 == 1 ? "record" : "records")" } ?? "nobody knows how many records"
    return text
  }

  fileprivate var json: JSON {
    .object([
      ("file", .string(file)), ("position", position.map(JSON.number) ?? .null),
      ("offset", offset.map(JSON.number) ?? .null), ("fault", .string(message)), ("remedy", .optional(remedy)),
      (
        "lost",
        loss.map { loss in
          .object([
            ("topic", .string(loss.topicPartition.topic)), ("partition", .number(loss.topicPartition.partition)),
            ("firstOffset", .number(loss.offsets.lowerBound)), ("lastOffset", .number(loss.offsets.upperBound - 1)),
            ("records", loss.records.map(JSON.number) ?? .null), ("bytes", .number(loss.bytes)),
            ("quarantine", .optional(loss.quarantine)),
          ])
        } ?? .null
      ),
    ])
  }
}
