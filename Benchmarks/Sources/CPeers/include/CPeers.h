// What a user would pick instead of EventLog, each behind the same few calls. A file a peer; one whose header is not
// installed is left out of the list.
#ifndef CPEERS_H
#define CPEERS_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
  const void *key;
  size_t key_size;
  const void *value;
  size_t value_size;
} peer_record;

/// Told of each value that is read.
typedef void (*peer_sink)(void *context, const void *value, size_t size);

enum {
  /// What was acknowledged survives the death of the process: EventLog's acks=1.
  PEER_UNSYNCED = 0,
  /// It survives a power cut: acks=all.
  PEER_SYNCED = 1,
};

/// Functions that return an int give 0 on success, and those that count give -1 on failure.
typedef struct {
  const char *name;
  /// How it is tuned, at each of the two levels of durability; NULL where it has none like it.
  const char *settings[2];
  /// A process of its own, which Scripts/benchmark starts.
  int is_server;
  void *(*open)(const char *directory, int durability);
  /// Opens what is there already, and returns when it answers; NULL where that is `open`.
  void *(*reopen)(const char *directory);
  void (*close)(void *store);
  /// One for each thread.
  void *(*connect)(void *store);
  void (*disconnect)(void *session);
  /// Appends `count` copies of a record as one batch or transaction; returns when the level of durability is reached.
  int (*append)(void *session, const peer_record *record, size_t count);
  /// Reads up to `max` records behind the first `from`. Returns how many. A peer that has it needs no `replay` and no
  /// `receive`, and its sessions begin with a uint64_t: how many records were received.
  long (*read)(void *session, uint64_t from, size_t max, peer_sink sink, void *context);
  /// Reads everything from the start. Returns how many records there were.
  long (*replay)(void *session, peer_sink sink, void *context);
  /// Reads up to `max` records after those read before; waits for one where `waits` (servers only). Returns how many.
  long (*receive)(void *session, size_t max, int waits, peer_sink sink, void *context);
  /// Stores how far was read, at the store's level of durability.
  int (*commit)(void *session);
  /// Opens a store of `count` partitions, each an ordered collection of its own; makes those that are missing. NULL
  /// where the peer has nothing of the kind.
  void *(*open_partitions)(const char *directory, size_t count);
  int (*append_to)(void *store, size_t partition, const peer_record *record);
  void (*close_partitions)(void *store);
} peer;

/// All that can be had here; ends with NULL. A server is among them when Scripts/benchmark has started it.
const peer *const *peer_list(void);

/// No store at all, but a ring in memory: what a futex hand-off takes by itself. Only for peer_latency.
extern const peer peer_handoff;

/// `replay` and `receive` of any peer.
long peer_replay(const peer *peer, void *session, peer_sink sink, void *context);
long peer_receive(const peer *peer, void *session, size_t max, int waits, peer_sink sink, void *context);

/// `threads` threads, each appending one record a call, `each` times. Returns 0, or -1 where an append failed.
int peer_append_from_threads(const peer *peer, void *store, int threads, size_t each, const peer_record *record);

/// Sums the bytes by eights into a uint64_t: what a replay does with each value.
void peer_sum(void *sum, const void *value, size_t size);

/// Sends `count` records, one each `interval` nanoseconds, to a thread that waits, and notes for each how long it took
/// until that thread had it. Embedded peers wake the thread with a futex.
int peer_latency(const peer *peer, void *store, size_t count, uint64_t interval, size_t value_size, uint64_t *nanoseconds);

#endif
