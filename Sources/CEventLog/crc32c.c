// CRC-32C. The instruction has a latency of three cycles and a throughput of one, so longer inputs run as three
// interleaved streams whose results are joined by a shift table ("multiply by x^n modulo P").
#include "CEventLog.h"

#include <pthread.h>
#include <string.h>

#define POLYNOMIAL 0x82f63b78u  // Castagnoli, reflected

// One stream's length in the three-way loops. Two sizes: long inputs, and batches of a few records.
enum { LONG_STREAM = 2048, SHORT_STREAM = 168 };

static uint32_t byte_table[8][256];
static uint32_t long_shift[4][256];
static uint32_t short_shift[4][256];
static int hardware;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static uint32_t feed_zero_bytes(uint32_t crc, size_t count) {
  while (count--) crc = (crc >> 8) ^ byte_table[0][crc & 0xff];
  return crc;
}

// CRC is linear: appending zeros to a state is the xor of what it does to each of the state's bytes.
static void make_shift_table(uint32_t table[4][256], size_t zero_bytes) {
  uint32_t bit[32];
  for (int i = 0; i < 32; i++) bit[i] = feed_zero_bytes(1u << i, zero_bytes);
  for (int byte = 0; byte < 4; byte++)
    for (int value = 0; value < 256; value++) {
      uint32_t sum = 0;
      for (int i = 0; i < 8; i++)
        if (value & (1 << i)) sum ^= bit[8 * byte + i];
      table[byte][value] = sum;
    }
}

static void make_tables(void) {
  for (uint32_t n = 0; n < 256; n++) {
    uint32_t crc = n;
    for (int k = 0; k < 8; k++) crc = crc & 1 ? (crc >> 1) ^ POLYNOMIAL : crc >> 1;
    byte_table[0][n] = crc;
  }
  for (uint32_t n = 0; n < 256; n++)
    for (int k = 1; k < 8; k++)
      byte_table[k][n] = (byte_table[k - 1][n] >> 8) ^ byte_table[0][byte_table[k - 1][n] & 0xff];
  make_shift_table(long_shift, LONG_STREAM);
  make_shift_table(short_shift, SHORT_STREAM);
#if defined(__x86_64__)
  hardware = __builtin_cpu_supports("sse4.2") ? 1 : 0;
#elif defined(__aarch64__) && defined(__ARM_FEATURE_CRC32)
  hardware = 1;
#endif
}

static uint64_t load64(const uint8_t *p) {
  uint64_t value;
  memcpy(&value, p, sizeof value);
  return value;
}

static uint32_t load32(const uint8_t *p) {
  uint32_t value;
  memcpy(&value, p, sizeof value);
  return value;
}

static uint32_t software(uint32_t state, const uint8_t *p, size_t length) {
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
  for (; length >= 8; p += 8, length -= 8) {
    uint64_t word = load64(p) ^ state;
    state = byte_table[7][word & 0xff] ^ byte_table[6][(word >> 8) & 0xff] ^ byte_table[5][(word >> 16) & 0xff] ^
            byte_table[4][(word >> 24) & 0xff] ^ byte_table[3][(word >> 32) & 0xff] ^
            byte_table[2][(word >> 40) & 0xff] ^ byte_table[1][(word >> 48) & 0xff] ^ byte_table[0][word >> 56];
  }
#endif
  while (length--) state = (state >> 8) ^ byte_table[0][(state ^ *p++) & 0xff];
  return state;
}

#if defined(__x86_64__)
#include <nmmintrin.h>
#define HARDWARE __attribute__((target("sse4.2")))
#define STEP8(state, word) _mm_crc32_u64(state, word)
#define STEP4(state, word) _mm_crc32_u32((uint32_t)(state), word)
#define STEP1(state, byte) _mm_crc32_u8((uint32_t)(state), byte)
#elif defined(__aarch64__) && defined(__ARM_FEATURE_CRC32)
#include <arm_acle.h>
#define HARDWARE
#define STEP8(state, word) __crc32cd((uint32_t)(state), word)
#define STEP4(state, word) __crc32cw((uint32_t)(state), word)
#define STEP1(state, byte) __crc32cb((uint32_t)(state), byte)
#endif

#ifdef HARDWARE
static inline uint64_t shift(uint32_t table[4][256], uint64_t state) {
  return table[0][state & 0xff] ^ table[1][(state >> 8) & 0xff] ^ table[2][(state >> 16) & 0xff] ^
         table[3][(state >> 24) & 0xff];
}

HARDWARE static inline const uint8_t *three_streams(uint64_t *state, const uint8_t *p, size_t stream,
                                                    uint32_t table[4][256]) {
  uint64_t a = *state, b = 0, c = 0;
  const uint8_t *end = p + stream;
  for (; p < end; p += 8) {
    a = STEP8(a, load64(p));
    b = STEP8(b, load64(p + stream));
    c = STEP8(c, load64(p + 2 * stream));
  }
  *state = shift(table, shift(table, a) ^ b) ^ c;
  return p + 2 * stream;
}

HARDWARE static uint32_t by_instruction(uint32_t start, const uint8_t *p, size_t length) {
  uint64_t state = start;
  for (; length >= 3 * LONG_STREAM; length -= 3 * LONG_STREAM)
    p = three_streams(&state, p, LONG_STREAM, long_shift);
  for (; length >= 3 * SHORT_STREAM; length -= 3 * SHORT_STREAM)
    p = three_streams(&state, p, SHORT_STREAM, short_shift);
  for (; length >= 8; p += 8, length -= 8) state = STEP8(state, load64(p));
  if (length >= 4) {
    state = STEP4(state, load32(p));
    p += 4;
    length -= 4;
  }
  for (; length; p++, length--) state = STEP1(state, *p);
  return (uint32_t)state;
}
#endif

uint32_t cel_crc32c_software(uint32_t crc, const void *data, size_t length) {
  pthread_once(&once, make_tables);
  return ~software(~crc, data, length);
}

uint32_t cel_crc32c(uint32_t crc, const void *data, size_t length) {
  pthread_once(&once, make_tables);
#ifdef HARDWARE
  if (hardware) return ~by_instruction(~crc, data, length);
#endif
  return ~software(~crc, data, length);
}

uint32_t cel_crc32c_cold(uint32_t crc, const void *data, size_t length) {
  enum { LINE = 64, BLOCK = 3 * LONG_STREAM };
  const uint8_t *p = data;
  for (; length > BLOCK; p += BLOCK, length -= BLOCK) {
    // Beyond the end too: there the next input lies, if one follows, and an address that is nobody's does no harm.
    for (size_t ahead = BLOCK; ahead < 2 * BLOCK; ahead += LINE) __builtin_prefetch(p + ahead);
    crc = cel_crc32c(crc, p, BLOCK);
  }
  return cel_crc32c(crc, p, length);
}

int cel_crc32c_is_hardware(void) {
  pthread_once(&once, make_tables);
  return hardware;
}
