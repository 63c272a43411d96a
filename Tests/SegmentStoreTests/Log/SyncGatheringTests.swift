import Testing

@testable import SegmentStore

@Suite("Waiting before a sync for those whom the last one served")
struct SyncGatheringTests {
  @Test("is for no longer than a sync takes, and only where there were several")
  func patience() {
    var gathering = SyncGathering()
    #expect(gathering.begin() == nil)
    gathering.syncTook(200_000)
    gathering.served(1, left: 0)
    #expect(gathering.begin() == nil)
    gathering.served(40, left: 24)
    #expect(gathering.begin() ?? (0, 0) == (64, 200_000))
  }

  @Test("is not tried for a while after it was in vain, and then again")
  func inVain() {
    var gathering = SyncGathering()
    gathering.served(64, left: 0)
    #expect(gathering.begin() != nil)
    gathering.wasInVain()
    var skipped = 0
    while gathering.begin() == nil, skipped < 1000 { skipped += 1 }
    #expect(skipped == 64)
    #expect(gathering.begin() != nil)
  }
}
