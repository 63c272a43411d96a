/// Names of Kafka's configurations, to be refused where EventLog has none of that name. One that it has may be among them.
enum KafkaNames {
  /// Of producers and consumers alike.
  static let client = [
    "security.protocol", "security.providers", "sasl.mechanism", "sasl.jaas.config", "sasl.kerberos.service.name",
    "sasl.client.callback.handler.class", "sasl.login.class", "sasl.login.callback.handler.class",
    "sasl.oauthbearer.token.endpoint.url", "ssl.protocol", "ssl.enabled.protocols", "ssl.provider", "ssl.cipher.suites",
    "ssl.keystore.type", "ssl.keystore.location", "ssl.keystore.password", "ssl.keystore.key",
    "ssl.keystore.certificate.chain", "ssl.key.password", "ssl.truststore.type", "ssl.truststore.location",
    "ssl.truststore.password", "ssl.truststore.certificates", "ssl.endpoint.identification.algorithm",
    "interceptor.classes", "metric.reporters", "metrics.num.samples", "metrics.sample.window.ms",
    "metrics.recording.level", "enable.metrics.push", "client.dns.lookup", "connections.max.idle.ms",
    "reconnect.backoff.ms", "reconnect.backoff.max.ms", "receive.buffer.bytes", "send.buffer.bytes",
    "socket.connection.setup.timeout.ms", "socket.connection.setup.timeout.max.ms", "metadata.recovery.strategy",
    "metadata.recovery.rebootstrap.trigger.ms", "bootstrap.servers", "client.id", "retry.backoff.ms",
    "retry.backoff.max.ms", "metadata.max.age.ms", "request.timeout.ms",
  ]

  static let producer = [
    "key.serializer", "value.serializer", "partitioner.class", "partitioner.availability.timeout.ms",
    "partitioner.adaptive.partitioning.enable", "metadata.max.idle.ms", "transactional.id", "transaction.timeout.ms",
    "transaction.two.phase.commit.enable", "enable.idempotence", "max.in.flight.requests.per.connection", "retries",
    "delivery.timeout.ms",
  ]

  static let consumer = [
    "key.deserializer", "value.deserializer", "heartbeat.interval.ms", "group.instance.id", "group.protocol",
    "group.remote.assignor", "client.rack", "share.acknowledgement.mode", "isolation.level",
  ]

  static let broker = [
    "listeners", "advertised.listeners", "listener.security.protocol.map", "inter.broker.listener.name",
    "security.inter.broker.protocol", "log.dir", "log.dirs", "metadata.log.dir", "node.id", "broker.id",
    "process.roles",
    "controller.quorum.voters", "controller.quorum.bootstrap.servers", "controller.listener.names", "broker.rack",
    "default.replication.factor", "min.insync.replicas", "unclean.leader.election.enable", "num.io.threads",
    "num.network.threads", "num.replica.fetchers", "num.recovery.threads.per.data.dir", "background.threads",
    "socket.request.max.bytes", "queued.max.requests", "max.connections", "authorizer.class.name", "super.users",
    "delete.topic.enable", "log.cleaner.enable", "log.cleaner.threads", "log.retention.check.interval.ms",
    "offsets.topic.num.partitions", "offsets.topic.replication.factor", "transaction.state.log.num.partitions",
    "transaction.state.log.replication.factor", "transaction.state.log.min.isr", "transactional.id.expiration.ms",
    "remote.log.storage.system.enable", "compression.type", "sasl.enabled.mechanisms", "ssl.keystore.location",
    "ssl.truststore.location", "ssl.client.auth",
  ]
}
