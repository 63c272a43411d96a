#ifndef PEERS_COMMON_H
#define PEERS_COMMON_H

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "CPeers.h"

extern const peer peer_sqlite, peer_lmdb, peer_leveldb, peer_rocksdb, peer_wiredtiger, peer_redis, peer_nats;

/// Keys that sort as the numbers do.
static inline uint64_t big_endian(uint64_t value) { return __builtin_bswap64(value); }

/// Says what failed, so that a peer that does not work is not taken for a slow one.
static inline void *complain(const char *who, const char *what) {
  fprintf(stderr, "%s: %s\n", who, what ? what : "failed");
  return NULL;
}

/// Keeps `*buffer` at least `size` bytes large.
static inline char *grow(char **buffer, size_t *capacity, size_t size) {
  if (*capacity < size) {
    *capacity = size * 2;
    *buffer = realloc(*buffer, *capacity);
  }
  return *buffer;
}

/// A record as one value: the key's 16 bytes, then the value.
enum { KEY_SIZE = 16 };

#endif
