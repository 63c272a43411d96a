#if __has_include(<leveldb/c.h>)
#include <leveldb/c.h>

#include "common.h"

// A queue in LevelDB: big-endian numbers as keys, a write batch for each batch; its writers combine by themselves.

typedef struct {
  leveldb_t *db;
  leveldb_options_t *options;
  leveldb_writeoptions_t *write;
  leveldb_readoptions_t *read;
  _Atomic uint64_t next;
} store;

typedef struct {
  uint64_t position;
  store *store;
  leveldb_writebatch_t *batch;
  char *value;
  size_t capacity;
} session;

#define KV leveldb
#include "leveldb_like.h"

static void *open_store(const char *directory, int durability) {
  store *it = calloc(1, sizeof *it);
  it->options = leveldb_options_create();
  leveldb_options_set_create_if_missing(it->options, 1);
  leveldb_options_set_write_buffer_size(it->options, 64 << 20);
  leveldb_options_set_max_file_size(it->options, 64 << 20);
  leveldb_options_set_block_size(it->options, 64 << 10);
  leveldb_options_set_compression(it->options, leveldb_no_compression);
  it->write = leveldb_writeoptions_create();
  leveldb_writeoptions_set_sync(it->write, durability == PEER_SYNCED);
  it->read = leveldb_readoptions_create();
  leveldb_readoptions_set_verify_checksums(it->read, 1);
  leveldb_readoptions_set_fill_cache(it->read, 0);
  char *error = NULL;
  it->db = leveldb_open(it->options, directory, &error);
  if (error) return complain("LevelDB", error);
  find_next(it);
  return it;
}

static void close_store(void *context) {
  store *it = context;
  leveldb_close(it->db);
  leveldb_options_destroy(it->options);
  leveldb_writeoptions_destroy(it->write);
  leveldb_readoptions_destroy(it->read);
  free(it);
}

static void *connect_session(void *context) {
  session *it = calloc(1, sizeof *it);
  it->store = context;
  it->batch = leveldb_writebatch_create();
  return it;
}

static void disconnect(void *context) {
  session *it = context;
  leveldb_writebatch_destroy(it->batch);
  free(it->value);
  free(it);
}

static int append(void *context, const peer_record *record, size_t count) {
  session *it = context;
  size_t size = record->key_size + record->value_size;
  char *value = grow(&it->value, &it->capacity, size);
  leveldb_writebatch_clear(it->batch);
  for (size_t i = 0; i < count; i++) {
    uint64_t number = big_endian(it->store->next++);
    memcpy(value, record->key, record->key_size);
    memcpy(value + record->key_size, record->value, record->value_size);
    leveldb_writebatch_put(it->batch, (const char *)&number, sizeof number, value, size);
  }
  char *error = NULL;
  leveldb_write(it->store->db, it->store->write, it->batch, &error);
  return error ? -1 : 0;
}

const peer peer_leveldb = {
    .name = "LevelDB",
    .settings = {"sync=false, write_buffer_size and max_file_size 64 MiB, block_size 64 KiB, no compression; reads "
                 "verify checksums and do not fill the cache",
                 "sync=true (its writers share a sync), else the same"},
    .open = open_store,
    .close = close_store,
    .connect = connect_session,
    .disconnect = disconnect,
    .append = append,
    .read = read_from,
    .commit = commit,
};
#endif
