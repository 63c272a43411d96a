#include "common.h"

// The order is that of the tables.
const peer *const *peer_list(void) {
  static const peer *list[8];
  size_t count = 0;
#if __has_include(<lmdb.h>)
  list[count++] = &peer_lmdb;
#endif
#if __has_include(<leveldb/c.h>)
  list[count++] = &peer_leveldb;
#endif
#if __has_include(<rocksdb/c.h>)
  list[count++] = &peer_rocksdb;
#endif
#if __has_include(<wiredtiger.h>)
  list[count++] = &peer_wiredtiger;
#endif
  list[count++] = &peer_sqlite;
#if __has_include(<hiredis/hiredis.h>)
  if (getenv("BENCHMARK_REDIS_SOCKET")) list[count++] = &peer_redis;
#endif
  if (getenv("BENCHMARK_NATS_PORT")) list[count++] = &peer_nats;
  list[count] = NULL;
  return list;
}

long peer_replay(const peer *peer, void *session, peer_sink sink, void *context) {
  return peer->read ? peer->read(session, 0, SIZE_MAX, sink, context) : peer->replay(session, sink, context);
}

long peer_receive(const peer *peer, void *session, size_t max, int waits, peer_sink sink, void *context) {
  if (!peer->read) return peer->receive(session, max, waits, sink, context);
  uint64_t *received = session;
  long count = peer->read(session, *received, max, sink, context);
  if (count > 0) *received += (uint64_t)count;
  return count;
}

void peer_sum(void *sum, const void *value, size_t size) {
  uint64_t total = 0;
  const uint8_t *bytes = value;
  size_t i = 0;
  for (; i + 8 <= size; i += 8) {
    uint64_t word;
    memcpy(&word, bytes + i, 8);
    total += word;
  }
  for (; i < size; i++) total += bytes[i];
  *(uint64_t *)sum += total;
}
