import EventLog

/// The code of the error that `body` throws.
func code(_ body: () async throws -> Void) async -> EventLogError.Code? {
  do {
    try await body()
    return nil
  } catch {
    return (error as? EventLogError)?.code
  }
}
