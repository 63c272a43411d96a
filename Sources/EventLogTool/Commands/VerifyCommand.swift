import ArgumentParser
import EventLog

struct VerifyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify", abstract: "Check every checksum, record and index entry, and the metadata against the logs.",
    discussion: """
      Prints each fault with its place, and exits with 1 if there is any. Notes tell of what the next opening makes anew \
      from the log, such as a damaged .snapshot, or of a gap between segments that a compaction may have left, and are no \
      faults. Changes nothing.

      With --repair, for a directory that no process has open: makes indexes anew, and takes damaged batches out of their \
      segments. Their bytes are saved before in <topic>-<partition>.<segment>-<position>.quarantine in the data directory; \
      the offsets of all other records stay. Of a segment that is gone it says which offsets went with it. Prints each \
      fault, what was done about it, and what is lost. Exits with 0 where nothing was wrong, or all was repaired without \
      the loss of a record; with 1 where something is lost, or could not be repaired.
      """)

  @Argument(help: "The data directory.") var dir: String
  @Flag(help: "Repair what can be.") var repair = false
  @Flag(help: "With --repair: only say what would be done.") var dryRun = false
  @Flag(help: "Print JSON.") var json = false

  func validate() throws {
    if dryRun, !repair { throw ValidationError("--dry-run goes with --repair") }
  }

  func run() throws {
    if repair { return try runRepair() }
    let progress = ProgressBar("verify")
    let report = try StoreVerifier(path: dir).run { progress.update($0, of: $1) }
    progress.finish()
    // What was found counts, whether somebody reads of it or not.
    do { try show(report) } catch is OutputClosed {}
    if !report.isSound { throw ExitCode.failure }
  }

  private func runRepair() throws {
    let progress = ProgressBar("repair")
    let report = try StoreRepair(path: dir).run(dryRun: dryRun) { progress.update($0, of: $1) }
    progress.finish()
    do { try report.show(json: json) } catch is OutputClosed {}
    if !report.isWhole { throw ExitCode.failure }
  }

  private func show(_ report: StoreVerifier.Report) throws {
    for fault in report.faults { try fault.show(as: "fault", json: json) }
    for note in report.notes { try note.show(as: "note", json: json) }
    let summary =
      "\(report.partitions) partitions, \(report.segments) segments, \(report.batches) batches, \(report.records) records, "
      + "\(report.indexEntries) index entries, \(report.sizeInBytes) bytes: "
      + (report.isSound ? "all sound" : "\(report.faults.count) \(report.faults.count == 1 ? "fault" : "faults")")
    if json {
      try Terminal.line(
        JSON.object([
          ("partitions", .number(report.partitions)), ("segments", .number(report.segments)),
          ("batches", .number(report.batches)), ("records", .number(report.records)),
          ("indexEntries", .number(report.indexEntries)), ("sizeInBytes", .number(report.sizeInBytes)),
          ("faults", .number(report.faults.count)), ("notes", .number(report.notes.count)),
        ]).text)
    } else {
      try Terminal.line(summary)
    }
  }
}

extension StoreVerifier.Fault {
  func show(as kind: String, json: Bool) throws {
    if json {
      try Terminal.line(
        JSON.object([
          ("file", .string(file)), ("position", position.map(JSON.number) ?? .null),
          ("offset", offset.map(JSON.number) ?? .null), (kind, .string(message)),
        ]).text)
    } else {
      let place = position.map { " at \($0)" } ?? ""
      try Terminal.line("\(kind == "note" ? "note: " : "")\(file)\(place): \(message)")
    }
  }
}
