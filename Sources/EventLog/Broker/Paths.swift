extension String {
  /// The path of a directory as messages and the names in it are made of: without a slash at its end.
  var withoutTrailingSlash: String {
    count > 1 && hasSuffix("/") ? String(dropLast()) : self
  }
}
