import SegmentStore
import Synchronization
import Testing

@Suite("The timekeeper")
struct TimekeeperTests {
  @Test("ends every wait when it is shut down, and forgets the rest", arguments: [false, true])
  func shutDown(isManual: Bool) {
    let timekeeper = Timekeeper(time: isManual ? .manual(ManualTime(wallMilliseconds: 0)) : .system)
    let called = Mutex<[String]>([])
    for name in ["work", "housekeeping", "wait"] {
      let purpose: Timekeeper.Purpose = name == "wait" ? .endOfWait : name == "work" ? .work : .housekeeping
      timekeeper.schedule(at: .max, for: purpose) { called.withLock { $0.append(name) } }
    }
    timekeeper.shutDown()
    #expect(called.withLock { $0 } == ["wait"])
    // Nobody is to begin to wait for a time that does not come.
    timekeeper.schedule(at: .max, for: .endOfWait) { called.withLock { $0.append("late wait") } }
    timekeeper.schedule(at: .max) { called.withLock { $0.append("late work") } }
    #expect(called.withLock { $0 } == ["wait", "late wait"])
  }
}
