#define _GNU_SOURCE
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <time.h>

#include "common.h"

typedef struct {
  const peer *peer;
  void *store;
  size_t each;
  const peer_record *record;
  int failed;
} appender;

static void *append_in_thread(void *argument) {
  appender *it = argument;
  void *session = it->peer->connect(it->store);
  if (!session) {
    it->failed = 1;
    return NULL;
  }
  for (size_t i = 0; i < it->each && !it->failed; i++) it->failed = it->peer->append(session, it->record, 1) != 0;
  it->peer->disconnect(session);
  return NULL;
}

int peer_append_from_threads(const peer *peer, void *store, int threads, size_t each, const peer_record *record) {
  pthread_t ids[threads];
  appender appenders[threads];
  for (int i = 0; i < threads; i++) {
    appenders[i] = (appender){peer, store, each, record, 0};
    if (pthread_create(&ids[i], NULL, append_in_thread, &appenders[i]) != 0) return -1;
  }
  int failed = 0;
  for (int i = 0; i < threads; i++) {
    pthread_join(ids[i], NULL);
    failed |= appenders[i].failed;
  }
  return failed ? -1 : 0;
}

// MARK: Latency

static uint64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

typedef struct {
  const peer *peer;
  void *session;
  size_t count, seen;
  uint64_t *nanoseconds;
  _Atomic uint32_t appended;
  int failed;
} receiver;

/// The time of sending is the value's first eight bytes.
static void note(void *context, const void *value, size_t size) {
  receiver *it = context;
  uint64_t sent;
  if (size < 8 || it->seen >= it->count) return;
  memcpy(&sent, value, 8);
  it->nanoseconds[it->seen++] = now() - sent;
}

static void *receive_in_thread(void *argument) {
  receiver *it = argument;
  while (it->seen < it->count) {
    uint32_t before = atomic_load(&it->appended);
    long got = peer_receive(it->peer, it->session, 1000, it->peer->is_server, note, it);
    if (got < 0) {
      it->failed = 1;
      return NULL;
    }
    if (got == 0 && !it->peer->is_server)
      syscall(SYS_futex, &it->appended, FUTEX_WAIT_PRIVATE, before, NULL, NULL, 0);
  }
  return NULL;
}

int peer_latency(const peer *peer, void *store, size_t count, uint64_t interval, size_t value_size,
                 uint64_t *nanoseconds) {
  void *sender = peer->connect(store);
  receiver it = {.peer = peer, .session = peer->connect(store), .count = count, .nanoseconds = nanoseconds};
  if (!sender || !it.session) return -1;
  pthread_t thread;
  if (pthread_create(&thread, NULL, receive_in_thread, &it) != 0) return -1;
  char *value = calloc(1, value_size);
  peer_record record = {"customer-0000042", KEY_SIZE, value, value_size};
  int failed = 0;
  uint64_t next = now() + 20000000;
  for (size_t i = 0; i < count && !failed; i++, next += interval) {
    struct timespec until = {(time_t)(next / 1000000000u), (long)(next % 1000000000u)};
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
    uint64_t sent = now();
    memcpy(value, &sent, 8);
    failed = peer->append(sender, &record, 1) != 0;
    if (!peer->is_server) {
      atomic_fetch_add(&it.appended, 1);
      syscall(SYS_futex, &it.appended, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
    }
  }
  if (failed) {
    // The receiver would wait for ever.
    fprintf(stderr, "%s: an append failed\n", peer->name);
    _exit(1);
  }
  pthread_join(thread, NULL);
  peer->disconnect(sender);
  peer->disconnect(it.session);
  free(value);
  return it.failed ? -1 : 0;
}
