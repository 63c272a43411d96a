import ArgumentParser
import EventLog

/// Where the process begins: synchronously, since the machinery of an asynchronous `main` opens files and starts threads
/// of its own.
@main
enum Main {
  static func main() {
    StandardStreams.prepare()
    ProcessSignals.block()
    // Detached: this thread serves no queue, and so none of what is bound to the main one would ever run.
    Task.detached { await EventLogCommand.main() }
    ProcessSignals.wait()
  }
}

/// The tool: each command has a file of its own in `Commands`.
struct EventLogCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "eventlog",
    abstract: "Apache Kafka's log, in a directory: topics, records, groups.",
    discussion: """
      Exit status: 0 all is well; 1 an error, or faults that were found; 2 the directory is in use by another process; \
      64 the command line is wrong; 128 and a signal's number where it ended the work before it was done. A reader of \
      standard output that goes away, as in `| head`, is no error, but for `produce --print-offsets`, which then sends no \
      more.
      """,
    version: "0.1.0",
    subcommands: [
      TopicsCommand.self, ProduceCommand.self, ConsumeCommand.self, GroupsCommand.self, TransactionsCommand.self,
      ConfigsCommand.self,
      GetOffsetsCommand.self, DeleteRecordsCommand.self, LogDirsCommand.self, ImportCommand.self, DumpCommand.self,
      VerifyCommand.self, BackupCommand.self, RestoreCommand.self, RetentionCommand.self, CompactCommand.self,
      DemoCommand.self,
    ])

  static func main() async {
    do {
      var command = try parseAsRoot()
      if var asynchronous = command as? any AsyncParsableCommand {
        try await asynchronous.run()
      } else {
        try command.run()
      }
      exit()
    } catch let error as EventLogError {
      Terminal.error("eventlog: \(error)")
      exit(withError: error.code == .directoryLocked ? ExitCode(2) : ExitCode.failure)
    } catch is OutputClosed {
      exit()
    } catch {
      exit(withError: error)
    }
  }
}
