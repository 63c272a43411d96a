import ArgumentParser
import EventLog

struct BackupCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "backup", abstract: "Copy a data directory, also while its owner is at work.",
    discussion: """
      The copy is a data directory of its own: of one moment, with everything that was acknowledged before it. Closed \
      segments become second names of the same files where that is possible (they never change), else they are copied.
      """)

  @Option(name: .shortAndLong, help: "The data directory.") var dir: String
  @Option(name: .long, help: "Where the copy goes: a directory that is empty or not there.") var to: String
  @Flag(name: .customLong("no-hard-links"), help: "Copy every file, so that the two share none.")
  var noHardLinks = false
  @Flag(help: "Print JSON.") var json = false

  func run() throws {
    let progress = ProgressBar("backup")
    let report = try StoreBackup(from: dir, to: to, usesHardLinks: !noHardLinks).run { progress.update($0, of: $1) }
    progress.finish()
    try Terminal.line(report.line(json: json))
  }
}

struct RestoreCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "restore", abstract: "Make a data directory of a backup.",
    discussion: """
      The backup is checked first as a whole, as `verify` does, and nothing is restored of one that has a fault. It stays as \
      it is; the two share no file.
      """)

  @Option(name: .long, help: "The backup.") var from: String
  @Option(name: .shortAndLong, help: "The data directory to make: empty or not there.") var dir: String
  @Flag(name: .customLong("no-verify"), help: "Restore it as it is, faults and all.") var noVerify = false
  @Flag(help: "Print JSON.") var json = false

  func run() throws {
    if !noVerify {
      let progress = ProgressBar("verify")
      let report = try StoreVerifier(path: from).run { progress.update($0, of: $1) }
      progress.finish()
      if let fault = report.faults.first {
        throw EventLogError(
          .corruptMessage,
          "the backup has \(report.faults.count) \(report.faults.count == 1 ? "fault" : "faults") (`eventlog verify` "
            + "shows all), the first: \(fault.message); --no-verify restores it as it is",
          offset: fault.offset, file: fault.file, position: fault.position)
      }
    }
    let progress = ProgressBar("restore")
    let report = try StoreBackup(from: from, to: dir, usesHardLinks: false).run { progress.update($0, of: $1) }
    progress.finish()
    try Terminal.line(report.line(json: json))
  }
}

extension StoreBackup.Report {
  func line(json: Bool) -> String {
    json
      ? JSON.object([
        ("topics", .number(topics)), ("partitions", .number(partitions)), ("segments", .number(segments)),
        ("linkedBytes", .number(linkedBytes)), ("copiedBytes", .number(copiedBytes)),
      ]).text
      : "\(topics) topics, \(partitions) partitions, \(segments) segments: \(copiedBytes) bytes copied, \(linkedBytes) linked"
  }
}
