import Foundation
import RecordFormat
import SegmentStore
import SegmentStoreTesting
import Synchronization
import Testing

@Suite("Putting a cleaned segment in its place")
struct SwapTests {
  @Test("is over before the directory of a deleted topic goes: by its paths it would meet the files of the next one")
  func deletion() throws {
    let world = try CleanerWorld()
    for number in 0..<10 { try world.put("key", "\(number)") }
    try world.roll()
    let (log, range, now, context) = (world.log, try world.range(), world.now, world.test.context)
    let (directory, grave) = (world.test.directory, world.directory.path + "/t-0.grave")
    let (swapping, moving) = (Gate(), Gate())
    world.files.arm(.syncDirectory, after: 0, times: 1, with: .hold(swapping)) { $0 == directory }
    world.files.arm(.rename, after: 0, times: 1, with: .hold(moving)) { $0 == directory }
    let reached = DispatchSemaphore(value: 0)
    let cleaned = DispatchSemaphore(value: 0)
    let moved = DispatchSemaphore(value: 0)
    let found = Mutex<[String]?>(nil)
    swapping.whenReached { reached.signal() }
    moving.whenReached {
      found.withLock { $0 = try? FileManager.default.contentsOfDirectory(atPath: directory) }
      swapping.open()
      moving.open()
    }
    Thread {
      _ = try? LogCleaner(context: context).clean(log, range, now: now)
      cleaned.signal()
    }.start()
    reached.wait()
    Thread {
      log.abandon(EventLogError(.unknownTopicOrPartition, "deleted"))
      try? log.moveDirectory(to: grave)
      moved.signal()
    }.start()
    // It waits where it has to. Where not, it has come to the directory's name by then.
    while log.failure == nil { sched_yield() }
    for _ in 0..<1000 where !swapping.isOpen { sched_yield() }
    swapping.open()
    cleaned.wait()
    moved.wait()
    let names = try #require(found.withLock { $0 })
    #expect(names.contains { $0.hasSuffix(".log") } && !names.contains { $0.hasSuffix(SegmentFiles.swapSuffix) })
  }
}
