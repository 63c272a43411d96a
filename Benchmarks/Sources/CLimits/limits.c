#define _GNU_SOURCE
#include "CLimits.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

void *limit_map_new_file(const char *path, size_t size, int *fd) {
  unlink(path);
  *fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
  if (*fd < 0) return NULL;
  if (fallocate(*fd, 0, 0, (off_t)size) != 0) return NULL;
  void *base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, *fd, 0);
  return base == MAP_FAILED ? NULL : base;
}

void limit_unmap(void *base, size_t size, int fd) {
  munmap(base, size);
  close(fd);
}

size_t limit_copy(void *base, const void *value, size_t value_size, size_t count) {
  char *p = base;
  for (size_t i = 0; i < count; i++, p += value_size) memcpy(p, value, value_size);
  return count * value_size;
}

static uint32_t crc32c(const uint8_t *p, size_t n) {
#if defined(__x86_64__)
  uint64_t crc = 0xffffffff;
  for (; n >= 8; p += 8, n -= 8) {
    uint64_t word;
    memcpy(&word, p, 8);
    crc = _mm_crc32_u64(crc, word);
  }
  while (n--) crc = _mm_crc32_u8((uint32_t)crc, *p++);
  return ~(uint32_t)crc;
#else
  uint32_t crc = 0xffffffff;
  while (n--) {
    crc ^= *p++;
    for (int k = 0; k < 8; k++) crc = crc & 1 ? (crc >> 1) ^ 0x82f63b78u : crc >> 1;
  }
  return ~crc;
#endif
}

static void put32(uint8_t *p, uint32_t v) {
  v = __builtin_bswap32(v);
  memcpy(p, &v, 4);
}

static void put64(uint8_t *p, uint64_t v) {
  v = __builtin_bswap64(v);
  memcpy(p, &v, 8);
}

static uint8_t *varint(uint8_t *p, int64_t value) {
  uint64_t v = ((uint64_t)value << 1) ^ (uint64_t)(value >> 63);
  while (v >= 0x80) {
    *p++ = (uint8_t)v | 0x80;
    v >>= 7;
  }
  *p++ = (uint8_t)v;
  return p;
}

static int varint_size(int64_t value) {
  uint8_t scratch[10];
  return (int)(varint(scratch, value) - scratch);
}

size_t limit_encode(void *base, const void *key, const void *value, size_t value_size, size_t count, size_t per_batch) {
  uint8_t *p = base;
  uint64_t offset = 0;
  for (size_t i = 0; i < count; i++) {
    uint8_t *batch = p;
    p += 61;
    for (size_t r = 0; r < per_batch; r++) {
      int64_t body = 1 + 1 + varint_size((int64_t)r) + varint_size(16) + 16 + varint_size((int64_t)value_size) +
                     (int64_t)value_size + 1;
      p = varint(p, body);
      *p++ = 0;
      *p++ = 0;
      p = varint(p, (int64_t)r);
      p = varint(p, 16);
      memcpy(p, key, 16);
      p += 16;
      p = varint(p, (int64_t)value_size);
      memcpy(p, value, value_size);
      p += value_size;
      *p++ = 0;
    }
    put64(batch, offset);
    put32(batch + 12, 0);
    batch[16] = 2;
    batch[21] = batch[22] = 0;
    put32(batch + 23, (uint32_t)per_batch - 1);
    put64(batch + 27, 1700000000000);
    put64(batch + 35, 1700000000000);
    put64(batch + 43, (uint64_t)-1);
    batch[51] = batch[52] = 0xff;
    put32(batch + 53, (uint32_t)-1);
    put32(batch + 57, (uint32_t)per_batch);
    put32(batch + 17, crc32c(batch + 21, (size_t)(p - batch) - 21));
    put32(batch + 8, (uint32_t)(p - batch) - 12);
    offset += per_batch;
  }
  return (size_t)(p - (uint8_t *)base);
}

static const uint8_t *read_varint(const uint8_t *p, int64_t *value) {
  uint64_t v = 0;
  int shift = 0;
  while (*p >= 0x80) {
    v |= (uint64_t)(*p++ & 0x7f) << shift;
    shift += 7;
  }
  v |= (uint64_t)*p++ << shift;
  *value = (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
  return p;
}

uint64_t limit_decode(const void *base, size_t bytes) {
  const uint8_t *p = base, *end = p + bytes;
  uint64_t sum = 0;
  while (p < end) {
    uint32_t length, crc, n;
    memcpy(&length, p + 8, 4);
    memcpy(&crc, p + 17, 4);
    memcpy(&n, p + 57, 4);
    length = __builtin_bswap32(length);
    n = __builtin_bswap32(n);
    const uint8_t *next = p + 12 + length;
    if (crc32c(p + 21, (size_t)(next - p) - 21) != __builtin_bswap32(crc)) return 0;
    p += 61;
    for (uint32_t i = 0; i < n; i++) {
      int64_t number;
      p = read_varint(p, &number);
      p++;
      p = read_varint(p, &number);
      p = read_varint(p, &number);
      p = read_varint(p, &number);
      p += number;
      p = read_varint(p, &number);
      int64_t k = 0;
      for (; k + 8 <= number; k += 8) {
        uint64_t word;
        memcpy(&word, p + k, 8);
        sum += word;
      }
      for (; k < number; k++) sum += p[k];
      p += number + 1;
    }
    p = next;
  }
  return sum;
}

void limit_store_and_sync(void *base, int fd, const void *value, size_t value_size, size_t count) {
  char *p = base;
  for (size_t i = 0; i < count; i++, p += value_size) {
    memcpy(p, value, value_size);
    fdatasync(fd);
  }
}

uint64_t limit_now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

void limit_sleep_until(uint64_t time) {
  struct timespec until = {(time_t)(time / 1000000000u), (long)(time % 1000000000u)};
  clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
}
