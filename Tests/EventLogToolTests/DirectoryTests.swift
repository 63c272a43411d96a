import Foundation
import Testing

@Suite("Of its directory, the tool")
struct DirectoryTests {
  /// A user without rights, where the tests run as one who has them all; nil where there is no way to become one.
  private static let unprivileged: String? = {
    guard geteuid() == 0 else { return "" }
    let command = "setpriv --reuid=65534 --regid=65534 --clear-groups"
    let works = try? Tool.shell("\(command) \"$0\" --version", "").status == 0
    return works == true ? command : nil
  }()

  @Test("reads one that it may not write to, closed or left by a crash", .enabled(if: unprivileged != nil))
  func readOnly() throws {
    let unprivileged = try #require(Self.unprivileged)
    let store = try Store()
    _ = try store.produce("one\ntwo")
    _ = try store.consume("--group", "g", "--max", "1")
    let script = """
      chmod -R a=rX "$1"
      for command in "topics list" "groups list" "consume -t t"; do \(unprivileged) "$0" $command -d "$1" || exit 9; done
      \(unprivileged) "$0" verify "$1" > /dev/null || exit 8
      echo three | \(unprivileged) "$0" produce -d "$1" -t t
      code=$?
      chmod -R u+w "$1"
      exit $code
      """
    let closed = try Tool.shell(script, store.path)
    #expect(closed.lines == ["t", "g", "one", "two"], "\(closed.error)")
    #expect(closed.status == 1)
    #expect(closed.errors.count == 1)
    #expect(closed.error.contains("Permission denied"))
    let (process, output, error) = try Tool.start(
      ["consume", "--dir", store.path, "--topic", "t", "--group", "g", "--follow"])
    #expect(output.fileHandleForReading.availableData == Data("two\n".utf8))
    kill(process.processIdentifier, SIGKILL)
    _ = Tool.result((process, output, error))
    let crashed = try Tool.shell(script, store.path)
    #expect(crashed.lines == ["t", "g", "one", "two"], "\(crashed.error)")
  }

  @Test("removes nothing that only looks like its own leftovers")
  func leftovers() throws {
    let store = try Store()
    let photo = store.path + "/photos-import/photo"
    try FileManager.default.createDirectory(atPath: store.path + "/photos-import", withIntermediateDirectories: false)
    try Data("x".utf8).write(to: URL(fileURLWithPath: photo))
    try FileManager.default.createDirectory(atPath: store.path + "/u-0-delete", withIntermediateDirectories: false)
    #expect(try store.produce("one").status == 0)
    #expect(FileManager.default.fileExists(atPath: photo))
    #expect(!FileManager.default.fileExists(atPath: store.path + "/u-0-delete"))
  }

  @Test("deletes and imports a topic with the longest name there can be")
  func longName() throws {
    let store = try Store()
    let name = String(repeating: "y", count: 249)
    #expect(try Tool.run("topics", "create", "--dir", store.path, "--topic", name).status == 0)
    _ = try Tool.run("produce", "--dir", store.path, "--topic", name, input: Data("one".utf8))
    let other = try Store()
    let imported = try Tool.run("import", "--dir", other.path, "\(store.path)/\(name)-0")
    #expect(imported.status == 0, "\(imported.error)")
    for path in [store.path, other.path] {
      let deleted = try Tool.run("topics", "delete", "--dir", path, "--topic", name)
      #expect(deleted.status == 0)
      #expect(deleted.error == "")
      #expect(try FileManager.default.contentsOfDirectory(atPath: path).filter { $0.hasPrefix("y") } == [])
    }
  }

  @Test("takes any path: relative, with blanks and other characters, through a link")
  func paths() throws {
    let directory = try TemporaryDirectory()
    let script = """
      cd "$1" && mkdir -p 'a b/ü?#%20' && cd 'a b/ü?#%20' || exit 1
      "$0" topics create -d './st ore/' -t t > /dev/null || exit 2
      echo hi | "$0" produce -d 'st ore' -t t || exit 3
      "$0" consume -d '../ü?#%20/st ore//' -t t || exit 4
      ln -s 'st ore' link
      "$0" consume -d link -t t && echo again | "$0" produce -d link -t t && "$0" verify link > /dev/null
      """
    let result = try Tool.shell(script, directory.path)
    #expect(result.status == 0, "\(result.error)")
    #expect(result.lines == ["hi", "hi"])
  }

  @Test(
    "says what is wrong with one that is none, or not one of its own",
    arguments: [
      ("echo > \"$1/x\"; \"$0\" topics list -d \"$1/x\"", "INPUT_OUTPUT: the data directory is a file"),
      ("\"$0\" topics list -d \"$1/none\"", "INPUT_OUTPUT: there is no such directory"),
      ("\"$0\" topics list -d \"$1\"", "METADATA_ERROR: this is no data directory"),
      ("mkdir \"$1/t-0\"; \"$0\" topics create -d \"$1\" -t u", "METADATA_ERROR: there are logs here"),
      (
        "mkdir \"$1/t-0\"; : > \"$1/metadata.sqlite\"; \"$0\" topics create -d \"$1\" -t u",
        "METADATA_ERROR: there are logs here"
      ),
      ("echo nonsense > \"$1/metadata.sqlite\"; \"$0\" topics create -d \"$1\" -t u", "METADATA_ERROR"),
      ("ln -s /tmp/x \"$1/metadata.sqlite\"; \"$0\" topics create -d \"$1\" -t u", "links in a data directory"),
      ("ln -s /tmp/x \"$1/.lock\"; \"$0\" topics create -d \"$1\" -t u", "links in a data directory"),
    ])
  func wrong(script: String, reason: String) throws {
    let directory = try TemporaryDirectory()
    let result = try Tool.shell(script, directory.path)
    #expect(result.status == 1)
    #expect(result.errors.count == 1)
    #expect(result.error.contains(reason), "\(result.error)")
  }

  @Test("verifies all partitions, also where one of them can't be read")
  func unreadable() throws {
    let store = try Store(partitions: 3)
    for partition in 0..<3 { _ = try store.produce("line", "--partition", String(partition)) }
    try FileManager.default.removeItem(atPath: store.path + "/t-1")
    try FileManager.default.createSymbolicLink(atPath: store.path + "/t-1", withDestinationPath: "t-0")
    let verify = try Tool.run("verify", store.path)
    #expect(verify.status == 1)
    #expect(verify.lines.count == 2)
    #expect(verify.text.contains("t-1: where the partition's directory should be lies something else"))
    #expect(verify.text.contains("3 partitions, 2 segments, 2 batches"))
    let read = try store.consume()
    #expect(read.status == 1)
    #expect(read.lines == ["line", "line"])
    #expect(read.error.contains("partition t-1"))
  }

  @Test("imports each partition that it can, and says why it can't take the others")
  func imports() throws {
    let source = try Store(partitions: 3)
    for partition in 0..<3 { _ = try source.produce("line \(partition)", "--partition", String(partition)) }
    try source.damage("t-1/00000000000000000000.log", at: 66)
    let store = try Store()
    let imported = try Tool.run(
      "import", "--dir", store.path, "\(source.path)/t-0/", "\(source.path)/t-1", "\(source.path)/t-2")
    #expect(imported.status == 1)
    #expect(imported.lines.map { $0.prefix(4) } == ["t-0:", "t-2:"])
    #expect(imported.errors.count == 1)
    #expect(imported.error.contains("CORRUPT_MESSAGE"))
    #expect(try store.consume().lines == ["line 0", "line 2"])
    #expect(try Tool.run("verify", store.path).status == 0)
  }

  @Test("makes no store of one that holds none, unless it may make a topic there", arguments: [true, false])
  func noStore(isThere: Bool) throws {
    let directory = try TemporaryDirectory()
    let path = isThere ? directory.path : directory.path + "/mistyped"
    for command in [
      ["consume", "--topic", "t", "--group", "g"], ["produce", "--topic", "t"], ["retention"],
      ["groups", "delete", "--group", "g"],
    ] {
      let result = try Tool.result(Tool.start(command + ["--dir", path]))
      #expect(result.status == 1, "\(command)")
      #expect(result.errors.count == 1, "\(command): \(result.error)")
      #expect((try? FileManager.default.contentsOfDirectory(atPath: path)) ?? [] == [], "\(command)")
    }
    #expect(try Tool.run("produce", "--topic", "t", "--create-topic", "--dir", path).status == 0)
  }

  @Test("says which partitions it can't read when it shows sizes", .enabled(if: unprivileged != nil))
  func unreadableSizes() throws {
    let unprivileged = try #require(Self.unprivileged)
    let store = try Store(partitions: 2)
    let sizes = try Tool.shell(
      """
      chmod -R a=rX "$1"; chmod u+w "$1"; chmod 0 "$1/t-1"
      \(unprivileged) "$0" log-dirs -d "$1"; code=$?
      chmod -R u+rwX "$1"; exit $code
      """, store.path)
    #expect(sizes.status == 1)
    #expect(sizes.error.contains("t-1") && sizes.error.contains("Permission denied"), "\(sizes.error)")
    #expect(sizes.lines.last?.hasPrefix("t") == true && sizes.lines.count == 3)
  }
}
