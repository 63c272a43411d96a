import ArgumentParser
@main struct EventLogCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(commandName: "eventlog")
}
