#if __has_include(<rocksdb/c.h>)
#include <rocksdb/c.h>

#include "common.h"

// A queue in RocksDB: big-endian numbers as keys, a write batch for each batch, gathered from parts (putv) so that nothing
// is copied before; partitions are column families.

typedef struct {
  rocksdb_t *db;
  rocksdb_options_t *options;
  rocksdb_block_based_table_options_t *table;
  rocksdb_writeoptions_t *write;
  rocksdb_readoptions_t *read;
  rocksdb_column_family_handle_t **families;
  size_t family_count;
  _Atomic uint64_t next;
} store;

typedef struct {
  uint64_t position;
  store *store;
  rocksdb_writebatch_t *batch;
} session;

#define KV rocksdb
#include "leveldb_like.h"

static store *make(int durability) {
  store *it = calloc(1, sizeof *it);
  it->options = rocksdb_options_create();
  rocksdb_options_set_create_if_missing(it->options, 1);
  rocksdb_options_set_create_missing_column_families(it->options, 1);
  rocksdb_options_set_compression(it->options, rocksdb_no_compression);
  rocksdb_options_set_enable_pipelined_write(it->options, 1);
  rocksdb_options_set_max_background_jobs(it->options, 2);
  rocksdb_options_set_max_open_files(it->options, -1);
  rocksdb_options_set_use_fsync(it->options, 0);
  it->table = rocksdb_block_based_options_create();
  rocksdb_block_based_options_set_block_size(it->table, 64 << 10);
  rocksdb_options_set_block_based_table_factory(it->options, it->table);
  it->write = rocksdb_writeoptions_create();
  rocksdb_writeoptions_set_sync(it->write, durability == PEER_SYNCED);
  it->read = rocksdb_readoptions_create();
  rocksdb_readoptions_set_verify_checksums(it->read, 1);
  rocksdb_readoptions_set_fill_cache(it->read, 0);
  rocksdb_readoptions_set_readahead_size(it->read, 2 << 20);
  return it;
}

static void close_store(void *context) {
  store *it = context;
  for (size_t i = 0; i < it->family_count; i++) rocksdb_column_family_handle_destroy(it->families[i]);
  free(it->families);
  rocksdb_close(it->db);
  rocksdb_options_destroy(it->options);
  rocksdb_block_based_options_destroy(it->table);
  rocksdb_writeoptions_destroy(it->write);
  rocksdb_readoptions_destroy(it->read);
  free(it);
}

static void *open_store(const char *directory, int durability) {
  store *it = make(durability);
  rocksdb_options_set_write_buffer_size(it->options, 128 << 20);
  char *error = NULL;
  it->db = rocksdb_open(it->options, directory, &error);
  if (error) return complain("RocksDB", error);
  find_next(it);
  return it;
}

static void *connect_session(void *context) {
  session *it = calloc(1, sizeof *it);
  it->store = context;
  it->batch = rocksdb_writebatch_create();
  return it;
}

static void disconnect(void *context) {
  session *it = context;
  rocksdb_writebatch_destroy(it->batch);
  free(it);
}

static int append(void *context, const peer_record *record, size_t count) {
  session *it = context;
  rocksdb_writebatch_clear(it->batch);
  for (size_t i = 0; i < count; i++) {
    uint64_t number = big_endian(it->store->next++);
    const char *keys[1] = {(const char *)&number};
    const char *values[2] = {record->key, record->value};
    size_t key_sizes[1] = {sizeof number}, value_sizes[2] = {record->key_size, record->value_size};
    rocksdb_writebatch_putv(it->batch, 1, keys, key_sizes, 2, values, value_sizes);
  }
  char *error = NULL;
  rocksdb_write(it->store->db, it->store->write, it->batch, &error);
  return error ? -1 : 0;
}

// MARK: Partitions

static void *open_partitions(const char *directory, size_t count) {
  store *it = make(PEER_UNSYNCED);
  // Small arenas, and one budget for all: thousands of families would else take gigabytes.
  rocksdb_options_set_write_buffer_size(it->options, 1 << 20);
  rocksdb_options_set_arena_block_size(it->options, 4096);
  rocksdb_options_set_db_write_buffer_size(it->options, 256 << 20);
  rocksdb_options_set_max_total_wal_size(it->options, (uint64_t)1 << 30);
  size_t all = count + 1;
  const char **names = calloc(all, sizeof *names);
  const rocksdb_options_t **options = calloc(all, sizeof *options);
  char (*text)[16] = calloc(all, sizeof *text);
  it->families = calloc(all, sizeof *it->families);
  for (size_t i = 0; i < all; i++) {
    snprintf(text[i], sizeof text[i], "%zu", i);
    names[i] = i == count ? "default" : text[i];
    options[i] = it->options;
  }
  char *error = NULL;
  it->db = rocksdb_open_column_families(it->options, directory, (int)all, names, options, it->families, &error);
  free(names);
  free(options);
  free(text);
  if (error) return complain("RocksDB", error);
  it->family_count = all;
  return it;
}

static int append_to(void *context, size_t partition, const peer_record *record) {
  store *it = context;
  uint64_t number = big_endian(it->next++);
  char *error = NULL;
  char value[4096];
  memcpy(value, record->key, record->key_size);
  memcpy(value + record->key_size, record->value, record->value_size);
  rocksdb_put_cf(it->db, it->write, it->families[partition], (const char *)&number, sizeof number, value,
                 record->key_size + record->value_size, &error);
  return error ? -1 : 0;
}

const peer peer_rocksdb = {
    .name = "RocksDB",
    .settings = {"sync=false with the write-ahead log, write_buffer_size 128 MiB, enable_pipelined_write, two background "
                 "jobs, block_size 64 KiB, no compression; reads verify checksums, readahead 2 MiB, do not fill the cache",
                 "sync=true (its writers share a sync), else the same"},
    .open = open_store,
    .close = close_store,
    .connect = connect_session,
    .disconnect = disconnect,
    .append = append,
    .read = read_from,
    .commit = commit,
    .open_partitions = open_partitions,
    .append_to = append_to,
    .close_partitions = close_store,
};
#endif
