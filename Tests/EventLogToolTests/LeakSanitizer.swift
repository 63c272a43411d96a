/// What the address sanitizer is not to report as leaked at the end of the tests: a weak reference of Foundation's own
/// in `Process.run`, which is still in use when the process exits.
@c(__lsan_default_suppressions)
public func leakSuppressions() -> UnsafePointer<CChar>? {
  let text: StaticString = "leak:Foundation7ProcessC3run\n"
  return UnsafeRawPointer(text.utf8Start).assumingMemoryBound(to: CChar.self)
}
