#include <pthread.h>
#include <sqlite3.h>

#include "common.h"

// A queue as a SQLite user would build it: a table with a rowid, prepared statements, write-ahead logging, a transaction for
// each batch. One connection, which threads take in turn: SQLite has one writer at a time in any case.

typedef struct {
  sqlite3 *db;
  sqlite3_stmt *begin, *end, *insert, *select, *save;
  sqlite3_stmt **inserts;
  size_t insert_count;
  pthread_mutex_t lock;
} store;

typedef struct {
  uint64_t position;
  store *store;
} session;

static int run(store *it, const char *sql) { return sqlite3_exec(it->db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : -1; }

static int step(sqlite3_stmt *statement) {
  int code = sqlite3_step(statement);
  sqlite3_reset(statement);
  return code == SQLITE_DONE ? 0 : -1;
}

static store *make(const char *directory, int durability) {
  store *it = calloc(1, sizeof *it);
  pthread_mutex_init(&it->lock, NULL);
  char path[4096];
  snprintf(path, sizeof path, "%s/queue.db", directory);
  if (sqlite3_open_v2(path, &it->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL)) return NULL;
  if (run(it, "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 10000;"
              "PRAGMA cache_size = -65536; PRAGMA temp_store = MEMORY; PRAGMA mmap_size = 8589934592"))
    return NULL;
  if (run(it, durability == PEER_SYNCED ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = OFF")) return NULL;
  return it;
}

static void *open_store(const char *directory, int durability) {
  store *it = make(directory, durability);
  if (!it || run(it, "CREATE TABLE IF NOT EXISTS queue (id INTEGER PRIMARY KEY, key BLOB, value BLOB);"
                     "CREATE TABLE IF NOT EXISTS positions (name TEXT PRIMARY KEY, id INTEGER) WITHOUT ROWID"))
    return complain("SQLite", it ? sqlite3_errmsg(it->db) : "can't be opened");
  int code = sqlite3_prepare_v2(it->db, "BEGIN IMMEDIATE", -1, &it->begin, NULL);
  code |= sqlite3_prepare_v2(it->db, "COMMIT", -1, &it->end, NULL);
  code |= sqlite3_prepare_v2(it->db, "INSERT INTO queue (key, value) VALUES (?, ?)", -1, &it->insert, NULL);
  code |= sqlite3_prepare_v2(it->db, "SELECT value FROM queue WHERE id > ? ORDER BY id LIMIT ?", -1, &it->select, NULL);
  code |= sqlite3_prepare_v2(it->db, "INSERT OR REPLACE INTO positions VALUES ('group', ?)", -1, &it->save, NULL);
  return code ? complain("SQLite", sqlite3_errmsg(it->db)) : it;
}

static void close_store(void *context) {
  store *it = context;
  sqlite3_finalize(it->begin);
  sqlite3_finalize(it->end);
  sqlite3_finalize(it->insert);
  sqlite3_finalize(it->select);
  sqlite3_finalize(it->save);
  for (size_t i = 0; i < it->insert_count; i++) sqlite3_finalize(it->inserts[i]);
  free(it->inserts);
  sqlite3_close(it->db);
  pthread_mutex_destroy(&it->lock);
  free(it);
}

static void *connect_session(void *context) {
  session *it = calloc(1, sizeof *it);
  it->store = context;
  return it;
}

static int put(sqlite3_stmt *insert, const peer_record *record) {
  sqlite3_bind_blob(insert, 1, record->key, (int)record->key_size, SQLITE_STATIC);
  sqlite3_bind_blob(insert, 2, record->value, (int)record->value_size, SQLITE_STATIC);
  return step(insert);
}

static int append(void *context, const peer_record *record, size_t count) {
  store *it = ((session *)context)->store;
  pthread_mutex_lock(&it->lock);
  int code = count > 1 ? step(it->begin) : 0;
  for (size_t i = 0; i < count && code == 0; i++) code = put(it->insert, record);
  if (count > 1 && code == 0) code = step(it->end);
  pthread_mutex_unlock(&it->lock);
  return code;
}

// Rowids count from 1 without gaps: the first `from` records are those up to that one.
static long read_from(void *context, uint64_t from, size_t max, peer_sink sink, void *sink_context) {
  store *it = ((session *)context)->store;
  pthread_mutex_lock(&it->lock);
  sqlite3_bind_int64(it->select, 1, (sqlite3_int64)from);
  sqlite3_bind_int64(it->select, 2, (sqlite3_int64)(max < INT64_MAX ? max : INT64_MAX));
  long count = 0;
  int code;
  for (; (code = sqlite3_step(it->select)) == SQLITE_ROW; count++)
    sink(sink_context, sqlite3_column_blob(it->select, 0), (size_t)sqlite3_column_bytes(it->select, 0));
  sqlite3_reset(it->select);
  pthread_mutex_unlock(&it->lock);
  return code == SQLITE_DONE ? count : -1;
}

static int commit(void *context) {
  session *it = context;
  pthread_mutex_lock(&it->store->lock);
  sqlite3_bind_int64(it->store->save, 1, (sqlite3_int64)it->position);
  int code = step(it->store->save);
  pthread_mutex_unlock(&it->store->lock);
  return code;
}

// MARK: Partitions

static void *open_partitions(const char *directory, size_t count) {
  store *it = make(directory, PEER_UNSYNCED);
  if (!it) return complain("SQLite", "can't be opened");
  it->inserts = calloc(count, sizeof *it->inserts);
  it->insert_count = count;
  if (run(it, "BEGIN")) return complain("SQLite", sqlite3_errmsg(it->db));
  for (size_t i = 0; i < count; i++) {
    char sql[160];
    snprintf(sql, sizeof sql, "CREATE TABLE IF NOT EXISTS t%zu (id INTEGER PRIMARY KEY, key BLOB, value BLOB)", i);
    if (run(it, sql)) return complain("SQLite", sqlite3_errmsg(it->db));
  }
  if (run(it, "COMMIT")) return complain("SQLite", sqlite3_errmsg(it->db));
  return it;
}

static int append_to(void *context, size_t partition, const peer_record *record) {
  store *it = context;
  if (!it->inserts[partition]) {
    char sql[160];
    snprintf(sql, sizeof sql, "INSERT INTO t%zu (key, value) VALUES (?, ?)", partition);
    if (sqlite3_prepare_v2(it->db, sql, -1, &it->inserts[partition], NULL) != SQLITE_OK) return -1;
  }
  return put(it->inserts[partition], record);
}

const peer peer_sqlite = {
    .name = "SQLite",
    .settings = {"WAL, synchronous=OFF, locking_mode=EXCLUSIVE, prepared statements, page cache 64 MiB, mmap_size 8 GiB, "
                 "a checkpoint every 10,000 pages",
                 "synchronous=FULL, else the same"},
    .open = open_store,
    .close = close_store,
    .connect = connect_session,
    .disconnect = free,
    .append = append,
    .read = read_from,
    .commit = commit,
    .open_partitions = open_partitions,
    .append_to = append_to,
    .close_partitions = close_store,
};
