#if __has_include(<hiredis/hiredis.h>)
#include <hiredis/hiredis.h>

#include "common.h"

// Redis Streams over a Unix socket: XADD, XRANGE, XREADGROUP, XACK. A batch is a pipeline. The server is started by
// Scripts/benchmark with an append-only file.

typedef struct {
  char (*ids)[32];
  size_t id_count, id_capacity;
  redisContext *redis;
} session;

static int ask(redisContext *redis, const char *command) {
  redisReply *reply = redisCommand(redis, command);
  int failed = !reply || reply->type == REDIS_REPLY_ERROR;
  if (reply) freeReplyObject(reply);
  return failed ? -1 : 0;
}

static void *connect_session(void *store) {
  (void)store;
  const char *path = getenv("BENCHMARK_REDIS_SOCKET");
  if (!path) return NULL;
  session *it = calloc(1, sizeof *it);
  it->redis = redisConnectUnix(path);
  if (!it->redis || it->redis->err) return complain("Redis", it->redis ? it->redis->errstr : NULL);
  return it;
}

static void disconnect(void *context) {
  session *it = context;
  redisFree(it->redis);
  free(it->ids);
  free(it);
}

static void *open_store(const char *directory, int durability) {
  (void)directory;
  session *it = connect_session(NULL);
  if (!it) return NULL;
  int code = ask(it->redis, "FLUSHALL");
  if (!code)
    code = ask(it->redis,
               durability == PEER_SYNCED ? "CONFIG SET appendfsync always" : "CONFIG SET appendfsync no");
  if (!code) code = ask(it->redis, "XGROUP CREATE q g 0 MKSTREAM");
  return code ? complain("Redis", "can't be set up") : it;
}

/// Waits until the server has read its file.
static void *reopen(const char *directory) {
  (void)directory;
  for (int attempt = 0; attempt < 120000; attempt++, usleep(1000)) {
    redisContext *redis = redisConnectUnix(getenv("BENCHMARK_REDIS_SOCKET"));
    int failed = !redis || redis->err || ask(redis, "PING") != 0;
    if (redis) redisFree(redis);
    if (!failed) return connect_session(NULL);
  }
  return complain("Redis", "does not answer");
}

static void close_store(void *context) {
  session *it = context;
  // So that the next contender does not share the machine with what is left of this one.
  ask(it->redis, "FLUSHALL");
  disconnect(it);
}

static int append(void *context, const peer_record *record, size_t count) {
  session *it = context;
  const char *arguments[] = {"XADD", "q", "*", "k", record->key, "v", record->value};
  size_t sizes[] = {4, 1, 1, 1, record->key_size, 1, record->value_size};
  for (size_t i = 0; i < count; i++) redisAppendCommandArgv(it->redis, 7, arguments, sizes);
  for (size_t i = 0; i < count; i++) {
    redisReply *reply;
    if (redisGetReply(it->redis, (void **)&reply) != REDIS_OK) return -1;
    int failed = reply->type == REDIS_REPLY_ERROR;
    freeReplyObject(reply);
    if (failed) return -1;
  }
  return 0;
}

/// Goes over [[id, [k, key, v, value]], …].
static long entries(const redisReply *reply, char *last, session *ids, peer_sink sink, void *context) {
  if (reply->type != REDIS_REPLY_ARRAY) return -1;
  for (size_t i = 0; i < reply->elements; i++) {
    const redisReply *entry = reply->element[i];
    const redisReply *id = entry->element[0], *value = entry->element[1]->element[3];
    if (last) snprintf(last, 32, "%s", id->str);
    if (ids) {
      if (ids->id_count == ids->id_capacity) {
        ids->id_capacity = ids->id_capacity * 2 + 128;
        ids->ids = realloc(ids->ids, ids->id_capacity * sizeof *ids->ids);
      }
      snprintf(ids->ids[ids->id_count++], 32, "%s", id->str);
    }
    sink(context, value->str, value->len);
  }
  return (long)reply->elements;
}

static long replay(void *context, peer_sink sink, void *sink_context) {
  session *it = context;
  char last[32] = "";
  long total = 0;
  for (;;) {
    redisReply *reply = redisCommand(it->redis, "XRANGE q %s%s + COUNT 1000", last[0] ? "(" : "", last[0] ? last : "-");
    if (!reply) return -1;
    long count = entries(reply, last, NULL, sink, sink_context);
    freeReplyObject(reply);
    if (count < 0) return -1;
    if (count == 0) return total;
    total += count;
  }
}

static long receive(void *context, size_t max, int waits, peer_sink sink, void *sink_context) {
  session *it = context;
  redisReply *reply = redisCommand(
      it->redis, waits ? "XREADGROUP GROUP g c COUNT %d BLOCK 5000 STREAMS q >" : "XREADGROUP GROUP g c COUNT %d STREAMS q >",
      (int)max);
  if (!reply) return -1;
  long count = 0;
  it->id_count = 0;
  if (reply->type == REDIS_REPLY_ARRAY && reply->elements > 0)
    count = entries(reply->element[0]->element[1], NULL, it, sink, sink_context);
  else if (reply->type != REDIS_REPLY_NIL)
    count = -1;
  freeReplyObject(reply);
  return count;
}

static int commit(void *context) {
  session *it = context;
  size_t count = it->id_count + 3;
  const char **arguments = calloc(count, sizeof *arguments);
  arguments[0] = "XACK";
  arguments[1] = "q";
  arguments[2] = "g";
  for (size_t i = 0; i < it->id_count; i++) arguments[i + 3] = it->ids[i];
  redisReply *reply = redisCommandArgv(it->redis, (int)count, arguments, NULL);
  free(arguments);
  int failed = !reply || reply->type == REDIS_REPLY_ERROR;
  if (reply) freeReplyObject(reply);
  return failed ? -1 : 0;
}

const peer peer_redis = {
    .name = "Redis Streams",
    .settings = {"a Unix socket, appendonly yes, appendfsync no, save \"\", no rewrites of the file while it is measured; "
                 "batches are pipelines; reads by XRANGE and XREADGROUP",
                 "appendfsync always, else the same"},
    .is_server = 1,
    .open = open_store,
    .reopen = reopen,
    .close = close_store,
    .connect = connect_session,
    .disconnect = disconnect,
    .append = append,
    .replay = replay,
    .receive = receive,
    .commit = commit,
};
#endif
