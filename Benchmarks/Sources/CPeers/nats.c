#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "common.h"

// NATS JetStream over loopback TCP, by a client of its own that does no more than the protocol asks for: one write for each
// batch, one buffer for reading. The server is started by Scripts/benchmark with file storage.

typedef struct {
  _Atomic long appended;
} store;

typedef struct {
  store *store;
  int fd;
  char *in;
  size_t in_capacity, start, end;
  char *out;
  size_t out_capacity;
  char inbox[64];
  /// Messages that the last request asked for and that have not come.
  size_t outstanding;
  char ack[256];
  int has_consumer;
} session;

typedef struct {
  char subject[128], reply[256];
  const char *payload;
  size_t size;
  int has_headers;
} message;

static int send_all(session *it, const char *bytes, size_t size) {
  while (size > 0) {
    ssize_t sent = write(it->fd, bytes, size);
    if (sent <= 0) return -1;
    bytes += sent;
    size -= (size_t)sent;
  }
  return 0;
}

/// Reads until `need` bytes are there, at `in + start`.
static int fill(session *it, size_t need) {
  while (it->end - it->start < need) {
    if (it->start > 0 && (it->in_capacity - it->start < need || it->start == it->end)) {
      memmove(it->in, it->in + it->start, it->end - it->start);
      it->end -= it->start;
      it->start = 0;
    }
    if (it->in_capacity < need) it->in = realloc(it->in, it->in_capacity = need * 2);
    ssize_t got = read(it->fd, it->in + it->end, it->in_capacity - it->end);
    if (got <= 0) return -1;
    it->end += (size_t)got;
  }
  return 0;
}

/// The next line without its end, or NULL. It stays valid until the next read.
static char *line(session *it) {
  size_t looked = 0;
  for (;;) {
    char *from = it->in + it->start;
    char *found = memchr(from + looked, '\n', it->end - it->start - looked);
    if (found) {
      it->start += (size_t)(found - from) + 1;
      found[found > from && found[-1] == '\r' ? -1 : 0] = 0;
      return from;
    }
    looked = it->end - it->start;
    if (fill(it, looked + 1) != 0) return NULL;
  }
}

static int next_message(session *it, message *out) {
  for (;;) {
    char *text = line(it);
    if (!text) return -1;
    if (strncmp(text, "PING", 4) == 0) {
      if (send_all(it, "PONG\r\n", 6) != 0) return -1;
      continue;
    }
    if (text[0] == '-') {
      complain("NATS", text);
      return -1;
    }
    int has_headers = strncmp(text, "HMSG ", 5) == 0;
    if (!has_headers && strncmp(text, "MSG ", 4) != 0) continue;
    char *words[6], *rest;
    int count = 0;
    for (char *word = strtok_r(text, " ", &rest); word && count < 6; word = strtok_r(NULL, " ", &rest)) words[count++] = word;
    int plain = has_headers ? 5 : 4;
    if (count < plain) return -1;
    snprintf(out->subject, sizeof out->subject, "%s", words[1]);
    snprintf(out->reply, sizeof out->reply, "%s", count > plain ? words[3] : "");
    size_t size = strtoul(words[count - 1], NULL, 10);
    if (fill(it, size + 2) != 0) return -1;
    out->payload = it->in + it->start;
    out->size = size;
    out->has_headers = has_headers;
    it->start += size + 2;
    return 0;
  }
}

static int publish(session *it, const char *subject, const char *reply, const char *payload, size_t size) {
  char head[512];
  int count = snprintf(head, sizeof head, "PUB %s %s %zu\r\n", subject, reply, size);
  char *out = grow(&it->out, &it->out_capacity, (size_t)count + size + 2);
  memcpy(out, head, (size_t)count);
  memcpy(out + count, payload, size);
  memcpy(out + count + size, "\r\n", 2);
  return send_all(it, out, (size_t)count + size + 2);
}

/// Asks JetStream's own interface and waits for the answer. 0 unless it is an error.
static int request(session *it, const char *subject, const char *payload) {
  message answer;
  if (publish(it, subject, it->inbox, payload, strlen(payload)) != 0 || next_message(it, &answer) != 0) return -1;
  int failed = memmem(answer.payload, answer.size, "\"error\"", 7) != NULL;
  if (failed && !strstr(subject, "DELETE")) fprintf(stderr, "NATS: %s: %.*s\n", subject, (int)answer.size, answer.payload);
  return failed ? -1 : 0;
}

static void disconnect(void *context) {
  session *it = context;
  close(it->fd);
  free(it->in);
  free(it->out);
  free(it);
}

static void *connect_session(void *context) {
  static _Atomic int number;
  const char *port = getenv("BENCHMARK_NATS_PORT");
  if (!port) return NULL;
  session *it = calloc(1, sizeof *it);
  it->store = context;
  it->in = malloc(it->in_capacity = 1 << 20);
  it->fd = socket(AF_INET, SOCK_STREAM, 0);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int on = 1;
  setsockopt(it->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (connect(it->fd, (struct sockaddr *)&address, sizeof address) != 0) return complain("NATS", strerror(errno));
  snprintf(it->inbox, sizeof it->inbox, "inbox.%d", ++number);
  char hello[256];
  int size = snprintf(hello, sizeof hello,
                      "CONNECT {\"verbose\":false,\"pedantic\":false,\"headers\":true,\"no_responders\":true}\r\n"
                      "SUB %s 1\r\nPING\r\n",
                      it->inbox);
  if (send_all(it, hello, (size_t)size) != 0) return complain("NATS", "does not take the connection");
  for (char *text = line(it); text && strncmp(text, "PONG", 4) != 0; text = line(it)) {
    if (text[0] == '-') return complain("NATS", text);
  }
  return it;
}

static void *open_store(const char *directory, int durability) {
  (void)directory;
  if (durability != PEER_UNSYNCED) return NULL;
  store *it = calloc(1, sizeof *it);
  session *first = connect_session(it);
  if (!first) return NULL;
  request(first, "$JS.API.STREAM.DELETE.S", "");
  int code = request(first, "$JS.API.STREAM.CREATE.S",
                     "{\"name\":\"S\",\"subjects\":[\"q.s\"],\"storage\":\"file\",\"retention\":\"limits\",\"max_msgs\":-1,"
                     "\"max_bytes\":-1,\"num_replicas\":1}");
  disconnect(first);
  return code ? complain("NATS", "can't make a stream") : it;
}

static void close_store(void *context) {
  session *last = connect_session(context);
  if (last) {
    request(last, "$JS.API.STREAM.DELETE.S", "");
    disconnect(last);
  }
  free(context);
}

static int append(void *context, const peer_record *record, size_t count) {
  session *it = context;
  char head[128];
  size_t size = record->key_size + record->value_size;
  int head_size = snprintf(head, sizeof head, "PUB q.s %s %zu\r\n", it->inbox, size);
  size_t each = (size_t)head_size + size + 2;
  char *out = grow(&it->out, &it->out_capacity, each * count);
  for (size_t i = 0; i < count; i++, out += each) {
    memcpy(out, head, (size_t)head_size);
    memcpy(out + head_size, record->key, record->key_size);
    memcpy(out + head_size + record->key_size, record->value, record->value_size);
    memcpy(out + head_size + size, "\r\n", 2);
  }
  if (send_all(it, it->out, each * count) != 0) return -1;
  for (size_t i = 0; i < count; i++) {
    message answer;
    if (next_message(it, &answer) != 0 || memmem(answer.payload, answer.size, "\"error\"", 7)) return -1;
  }
  it->store->appended += (long)count;
  return 0;
}

static long replay(void *context, peer_sink sink, void *sink_context) {
  session *it = context;
  char subscription[128], config[512];
  int size = snprintf(subscription, sizeof subscription, "SUB d.%s 2\r\n", it->inbox);
  snprintf(config, sizeof config,
           "{\"stream_name\":\"S\",\"config\":{\"deliver_subject\":\"d.%s\",\"ack_policy\":\"none\",\"deliver_policy\":"
           "\"all\",\"mem_storage\":true}}",
           it->inbox);
  if (send_all(it, subscription, (size_t)size) != 0) return -1;
  // The answer may come after the first messages.
  if (publish(it, "$JS.API.CONSUMER.CREATE.S", it->inbox, config, strlen(config)) != 0) return -1;
  long count = 0, total = it->store->appended;
  for (int answered = 0; count < total || !answered;) {
    message next;
    if (next_message(it, &next) != 0) return -1;
    if (strcmp(next.subject, it->inbox) == 0) {
      if (memmem(next.payload, next.size, "\"error\"", 7)) return -1;
      answered = 1;
      continue;
    }
    if (next.size < KEY_SIZE) continue;
    sink(sink_context, next.payload + KEY_SIZE, next.size - KEY_SIZE);
    count++;
  }
  return count;
}

static long receive(void *context, size_t max, int waits, peer_sink sink, void *sink_context) {
  session *it = context;
  if (!it->has_consumer) {
    const char *config = "{\"stream_name\":\"S\",\"config\":{\"durable_name\":\"g\",\"ack_policy\":\"all\",\"deliver_policy\":"
                         "\"all\",\"max_ack_pending\":-1}}";
    if (request(it, "$JS.API.CONSUMER.DURABLE.CREATE.S.g", config) != 0) return -1;
    it->has_consumer = 1;
  }
  long count = 0;
  while (count == 0 || (!waits && (size_t)count < max)) {
    if (it->outstanding == 0) {
      char ask[64];
      snprintf(ask, sizeof ask, "{\"batch\":%zu,\"expires\":5000000000}", max);
      if (publish(it, "$JS.API.CONSUMER.MSG.NEXT.S.g", it->inbox, ask, strlen(ask)) != 0) return -1;
      it->outstanding = max;
    }
    message next;
    if (next_message(it, &next) != 0) return -1;
    if (next.has_headers || next.size < KEY_SIZE) {
      // A status: the request has come to its end.
      it->outstanding = 0;
      continue;
    }
    it->outstanding--;
    memcpy(it->ack, next.reply, sizeof it->ack);
    sink(sink_context, next.payload + KEY_SIZE, next.size - KEY_SIZE);
    count++;
  }
  return count;
}

static int commit(void *context) {
  session *it = context;
  message answer;
  if (publish(it, it->ack, it->inbox, "+ACK", 4) != 0) return -1;
  return next_message(it, &answer);
}

const peer peer_nats = {
    .name = "NATS JetStream",
    .settings = {"loopback TCP, file storage, one replica, limits retention; a batch is published before its "
                 "acknowledgements are read; replay by a push consumer without acknowledgements, the queue by a pull "
                 "consumer with acknowledgements that are awaited",
                 NULL},
    .is_server = 1,
    .open = open_store,
    .close = close_store,
    .connect = connect_session,
    .disconnect = disconnect,
    .append = append,
    .replay = replay,
    .receive = receive,
    .commit = commit,
};
