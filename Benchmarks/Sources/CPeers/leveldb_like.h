// What the interfaces of LevelDB and of RocksDB, which grew out of it, have in common: included by both, with KV set to the
// prefix of the names, behind `store` (db, read, write, next) and `session` (position, store).

#define KV_PASTE(prefix, name) prefix##_##name
#define KV_JOIN(prefix, name) KV_PASTE(prefix, name)
#define KV_(name) KV_JOIN(KV, name)

/// Goes on behind the last record.
static void find_next(store *it) {
  KV_(iterator_t) *last = KV_(create_iterator)(it->db, it->read);
  KV_(iter_seek_to_last)(last);
  if (KV_(iter_valid)(last)) {
    size_t size;
    uint64_t number;
    const char *key = KV_(iter_key)(last, &size);
    if (size == sizeof number) {
      memcpy(&number, key, sizeof number);
      it->next = big_endian(number) + 1;
    }
  }
  KV_(iter_destroy)(last);
}

static long read_from(void *context, uint64_t from, size_t max, peer_sink sink, void *sink_context) {
  store *it = ((session *)context)->store;
  KV_(iterator_t) *iterator = KV_(create_iterator)(it->db, it->read);
  uint64_t key = big_endian(from);
  long count = 0;
  for (KV_(iter_seek)(iterator, (const char *)&key, sizeof key); KV_(iter_valid)(iterator) && (size_t)count < max;
       KV_(iter_next)(iterator)) {
    size_t key_size, size;
    KV_(iter_key)(iterator, &key_size);
    // The group's position sorts behind the records.
    if (key_size != sizeof key) break;
    const char *value = KV_(iter_value)(iterator, &size);
    sink(sink_context, value + KEY_SIZE, size - KEY_SIZE);
    count++;
  }
  KV_(iter_destroy)(iterator);
  return count;
}

static int commit(void *context) {
  session *it = context;
  char *error = NULL;
  KV_(put)(it->store->db, it->store->write, "~group", 6, (const char *)&it->position, sizeof it->position, &error);
  return error ? -1 : 0;
}
