import EventLogTesting

extension Workloads {
  /// What a test suite does over and over: a broker of its own, some records through a group, and nothing left.
  static func fixture(_ size: Size) -> Workload {
    let count = size.count(1_000)
    return Workload(
      id: "fixture", name: "a test broker opened, ten records through a group, and closed",
      contenders: [
        .init(name: "EventLogTesting", kind: .eventLog) { _ in
          let time = try await seconds {
            for _ in 0..<count {
              try await withTestBroker { broker in
                try broker.admin.createTopic("t")
                try await broker.produce("t", values: (0..<10).map { "\($0)" })
                let consumer = try broker.consumer(group: "g", topics: ["t"])
                var seen = 0
                while seen < 10 { seen += try await consumer.poll(timeout: .seconds(5)).count }
                try await consumer.commit()
                try await consumer.close()
              }
            }
          }
          return [Double(count) / time]
        }
      ])
  }
}
