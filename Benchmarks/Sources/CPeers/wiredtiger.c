#if __has_include(<wiredtiger.h>)
#include <wiredtiger.h>

#include "common.h"

// A queue in WiredTiger: a row store with numbers as keys, appended at its end, with its log switched on.

typedef struct {
  WT_CONNECTION *connection;
  _Atomic uint64_t next;
} store;

typedef struct {
  uint64_t position;
  store *store;
  WT_SESSION *session;
  WT_CURSOR *append, *read, *positions;
  char *value;
  size_t capacity;
} session;

static void *connect_session(void *context) {
  session *it = calloc(1, sizeof *it);
  it->store = context;
  WT_CONNECTION *connection = it->store->connection;
  int code = connection->open_session(connection, NULL, "isolation=snapshot", &it->session);
  if (!code)
    code = it->session->create(it->session, "table:queue",
                               "key_format=Q,value_format=u,leaf_page_max=64KB,memory_page_max=10MB,checksum=on");
  if (!code) code = it->session->create(it->session, "table:positions", "key_format=S,value_format=Q");
  if (!code) code = it->session->open_cursor(it->session, "table:queue", NULL, "overwrite=true", &it->append);
  if (!code) code = it->session->open_cursor(it->session, "table:queue", NULL, NULL, &it->read);
  if (!code) code = it->session->open_cursor(it->session, "table:positions", NULL, NULL, &it->positions);
  return code ? complain("WiredTiger", wiredtiger_strerror(code)) : it;
}

static void disconnect(void *context) {
  session *it = context;
  it->session->close(it->session, NULL);
  free(it->value);
  free(it);
}

static void *open_store(const char *directory, int durability) {
  store *it = calloc(1, sizeof *it);
  int code = wiredtiger_open(directory, NULL,
                             durability == PEER_SYNCED
                                 ? "create,cache_size=1GB,session_max=200,log=(enabled=true,file_max=256MB),"
                                   "transaction_sync=(enabled=true,method=fsync)"
                                 : "create,cache_size=1GB,session_max=200,log=(enabled=true,file_max=256MB),"
                                   "transaction_sync=(enabled=true,method=none)",
                             &it->connection);
  if (code) return complain("WiredTiger", wiredtiger_strerror(code));
  session *first = connect_session(it);
  if (!first) return NULL;
  uint64_t last;
  if (first->read->prev(first->read) == 0 && first->read->get_key(first->read, &last) == 0) it->next = last + 1;
  disconnect(first);
  return it;
}

static void close_store(void *context) {
  store *it = context;
  it->connection->close(it->connection, NULL);
  free(it);
}

static int append(void *context, const peer_record *record, size_t count) {
  session *it = context;
  WT_CURSOR *cursor = it->append;
  WT_ITEM item = {.size = record->key_size + record->value_size};
  char *value = grow(&it->value, &it->capacity, item.size);
  item.data = value;
  int code = count > 1 ? it->session->begin_transaction(it->session, NULL) : 0;
  for (size_t i = 0; i < count && code == 0; i++) {
    memcpy(value, record->key, record->key_size);
    memcpy(value + record->key_size, record->value, record->value_size);
    cursor->set_key(cursor, it->store->next++);
    cursor->set_value(cursor, &item);
    code = cursor->insert(cursor);
  }
  if (count > 1 && code == 0) code = it->session->commit_transaction(it->session, NULL);
  return code ? -1 : 0;
}

static long read_from(void *context, uint64_t from, size_t max, peer_sink sink, void *sink_context) {
  WT_CURSOR *cursor = ((session *)context)->read;
  int exact;
  cursor->set_key(cursor, from);
  int code = cursor->search_near(cursor, &exact);
  if (code == 0 && exact < 0) code = cursor->next(cursor);
  long count = 0;
  for (; code == 0 && (size_t)count < max; count++) {
    WT_ITEM item;
    if (cursor->get_value(cursor, &item) != 0) return -1;
    sink(sink_context, (const char *)item.data + KEY_SIZE, item.size - KEY_SIZE);
    if ((size_t)count + 1 < max) code = cursor->next(cursor);
  }
  cursor->reset(cursor);
  return code == 0 || code == WT_NOTFOUND ? count : -1;
}

static int commit(void *context) {
  session *it = context;
  it->positions->set_key(it->positions, "group");
  it->positions->set_value(it->positions, it->position);
  return it->positions->insert(it->positions) == 0 ? 0 : -1;
}

const peer peer_wiredtiger = {
    .name = "WiredTiger",
    .settings = {"log=(enabled), transaction_sync=(enabled,method=none), a row store with numbers as keys, "
                 "cache_size 1 GB, leaf_page_max 64 KiB, memory_page_max 10 MB, no compression",
                 "transaction_sync=(enabled,method=fsync) (its writers share a sync), else the same"},
    .open = open_store,
    .close = close_store,
    .connect = connect_session,
    .disconnect = disconnect,
    .append = append,
    .read = read_from,
    .commit = commit,
};
#endif
