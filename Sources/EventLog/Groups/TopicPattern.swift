internal import RecordFormat

/// A regular expression that whole topic names have to match.
struct TopicPattern: Sendable, Hashable {
  let text: String
  /// Whether topics whose names begin with two underscores are left out (`exclude.internal.topics`).
  let excludesInternalTopics: Bool

  /// - Throws: `invalidRegularExpression` for a text that is no pattern.
  init(_ text: String, excludesInternalTopics: Bool = true) throws(EventLogError) {
    guard !text.isEmpty else {
      throw EventLogError(.illegalArgument, "the pattern to subscribe to is empty")
    }
    do {
      _ = try Regex(text)
    } catch {
      throw EventLogError(.invalidRegularExpression, "\"\(text)\" is no regular expression: \(error)")
    }
    self.text = text
    self.excludesInternalTopics = excludesInternalTopics
  }

  /// The names that match.
  func matching(_ names: some Sequence<String>) -> Set<String> {
    // A compiled expression can't be shared between threads, and subscriptions change too seldom for that to matter.
    guard let regex = try? Regex(text) else { return [] }
    return Set(
      names.filter { name in
        if excludesInternalTopics, name.hasPrefix("__") { return false }
        return (try? regex.wholeMatch(in: name)) != nil
      })
  }
}
