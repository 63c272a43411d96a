import EventLog
import EventLogTesting
import XCTest

/// The fixture knows no test library, so that it serves any: here the older one.
final class XCTestTests: XCTestCase {
  private var broker: TestBroker?

  override func setUpWithError() throws {
    broker = try TestBroker(clock: TestClock())
  }

  override func tearDownWithError() throws {
    try broker?.close()
  }

  func testProducesAndExpects() async throws {
    let broker = try XCTUnwrap(broker)
    try await broker.produce("orders", ["customer-42": "created"])
    try await broker.expectRecords(in: "orders", ["customer-42=created"])
  }

  func testFailsWithAPicture() async throws {
    let broker = try XCTUnwrap(broker)
    try await broker.produce("orders", ["customer-42": "created"])
    do {
      try await broker.expectRecords(in: "orders", ["customer-42=paid"])
      XCTFail("the expectation was met")
    } catch {
      XCTAssertTrue("\(error)".contains("  +  0          0       customer-42  created"), "\(error)")
    }
  }
}
