import Configuration
import EventLogServices
import Testing

@Suite struct ConfigReaderTests {
  private func reader(_ values: [AbsoluteConfigKey: ConfigValue]) -> ConfigReader {
    ConfigReader(provider: InMemoryProvider(values: values))
  }

  @Test func kafkasNamesAreReadInAnyType() throws {
    let producer = try ProducerConfiguration(
      config: reader(["acks": "1", "linger.ms": 5, "partitioner.ignore.keys": true]))
    #expect(producer.acks == .leader && producer.linger == .milliseconds(5) && producer.ignoresKeys)
    let consumer = try ConsumerConfiguration(config: reader(["group.id": "billing", "max.poll.records": "7"]))
    #expect(consumer.group == "billing" && consumer.maxPollRecords == 7)
    #expect(try BrokerConfiguration(config: reader(["num.partitions": 3])).defaultPartitions == 3)
  }

  @Test func theEnvironmentAndScopesServeToo() throws {
    let config = ConfigReader(
      provider: EnvironmentVariablesProvider(environmentVariables: ["ORDERS_LINGER_MS": "9"]))
    #expect(try ProducerConfiguration(config: config.scoped(to: "orders")).linger == .milliseconds(9))
  }

  @Test func whatIsOutOfRangeOrNotSupportedIsRefusedByName() {
    #expect { try ProducerConfiguration(config: reader(["linger.ms": -1])) } throws: { "\($0)".contains("linger.ms") }
    #expect { try ConsumerConfiguration(config: reader(["security.protocol": "SSL"])) } throws: {
      "\($0)".contains("security.protocol")
    }
    #expect { try BrokerConfiguration(config: reader(["log.dirs": "/tmp"])) } throws: { "\($0)".contains("log.dirs") }
  }
}
