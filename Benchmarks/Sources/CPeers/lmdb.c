#if __has_include(<lmdb.h>)
#include <lmdb.h>

#include "common.h"

// A queue in LMDB: numbers that grow as keys (MDB_APPEND), the record written where it lies (MDB_RESERVE), a transaction
// for each batch, one cursor for reading.

typedef struct {
  MDB_env *env;
  MDB_dbi records, positions;
  _Atomic uint64_t next;
} store;

typedef struct {
  uint64_t position;
  store *store;
} session;

static void *open_store(const char *directory, int durability) {
  store *it = calloc(1, sizeof *it);
  unsigned flags = MDB_NOTLS | MDB_NORDAHEAD | (durability == PEER_SYNCED ? 0 : MDB_WRITEMAP | MDB_NOSYNC);
  MDB_txn *txn;
  int code = mdb_env_create(&it->env);
  if (!code) code = mdb_env_set_mapsize(it->env, (size_t)16 << 30);
  if (!code) code = mdb_env_set_maxdbs(it->env, 4);
  if (!code) code = mdb_env_open(it->env, directory, flags, 0600);
  if (!code) code = mdb_txn_begin(it->env, NULL, 0, &txn);
  if (!code) code = mdb_dbi_open(txn, "records", MDB_CREATE | MDB_INTEGERKEY, &it->records);
  if (!code) code = mdb_dbi_open(txn, "positions", MDB_CREATE, &it->positions);
  if (code) return complain("LMDB", mdb_strerror(code));
  MDB_cursor *cursor;
  MDB_val key, value;
  if (mdb_cursor_open(txn, it->records, &cursor) == 0) {
    if (mdb_cursor_get(cursor, &key, &value, MDB_LAST) == 0) it->next = *(uint64_t *)key.mv_data + 1;
    mdb_cursor_close(cursor);
  }
  code = mdb_txn_commit(txn);
  return code ? complain("LMDB", mdb_strerror(code)) : it;
}

static void close_store(void *context) {
  store *it = context;
  mdb_env_close(it->env);
  free(it);
}

static void *connect_session(void *context) {
  session *it = calloc(1, sizeof *it);
  it->store = context;
  return it;
}

static int append(void *context, const peer_record *record, size_t count) {
  store *it = ((session *)context)->store;
  MDB_txn *txn;
  if (mdb_txn_begin(it->env, NULL, 0, &txn) != 0) return -1;
  for (size_t i = 0; i < count; i++) {
    uint64_t number = it->next++;
    MDB_val key = {sizeof number, &number}, value = {record->key_size + record->value_size, NULL};
    if (mdb_put(txn, it->records, &key, &value, MDB_APPEND | MDB_RESERVE) != 0) {
      mdb_txn_abort(txn);
      return -1;
    }
    memcpy(value.mv_data, record->key, record->key_size);
    memcpy((char *)value.mv_data + record->key_size, record->value, record->value_size);
  }
  return mdb_txn_commit(txn) == 0 ? 0 : -1;
}

static long read_from(void *context, uint64_t from, size_t max, peer_sink sink, void *sink_context) {
  store *it = ((session *)context)->store;
  MDB_txn *txn;
  MDB_cursor *cursor;
  if (mdb_txn_begin(it->env, NULL, MDB_RDONLY, &txn) != 0) return -1;
  if (mdb_cursor_open(txn, it->records, &cursor) != 0) return -1;
  MDB_val key = {sizeof from, &from}, value;
  long count = 0;
  for (int code = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE); code == 0 && (size_t)count < max; count++) {
    sink(sink_context, (const char *)value.mv_data + KEY_SIZE, value.mv_size - KEY_SIZE);
    code = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
  }
  mdb_cursor_close(cursor);
  mdb_txn_abort(txn);
  return count;
}

static int commit(void *context) {
  session *it = context;
  MDB_txn *txn;
  MDB_val key = {5, "group"}, value = {sizeof it->position, &it->position};
  if (mdb_txn_begin(it->store->env, NULL, 0, &txn) != 0) return -1;
  if (mdb_put(txn, it->store->positions, &key, &value, 0) != 0) return -1;
  return mdb_txn_commit(txn) == 0 ? 0 : -1;
}

const peer peer_lmdb = {
    .name = "LMDB",
    .settings = {"MDB_WRITEMAP | MDB_NOSYNC, MDB_INTEGERKEY, puts with MDB_APPEND | MDB_RESERVE, a cursor for reading",
                 "default durability (fdatasync at each commit), else the same"},
    .open = open_store,
    .close = close_store,
    .connect = connect_session,
    .disconnect = free,
    .append = append,
    .read = read_from,
    .commit = commit,
};
#endif
