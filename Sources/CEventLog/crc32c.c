// CRC-32C. The instruction has a latency of three cycles and a throughput of one, so longer inputs run as three
// interleaved streams whose results are joined by a shift table ("multiply by x^n modulo P"). Processors that multiply
// polynomials four at a time fold long inputs instead, at several times the bytes a cycle.
#include "CEventLog.h"

#include <pthread.h>
#include <string.h>

#define POLYNOMIAL 0x82f63b78u  // Castagnoli, reflected

// One stream's length in the three-way loops. Two sizes: long inputs, and batches of a few records.
enum { LONG_STREAM = 2048, SHORT_STREAM = 168 };

static uint32_t byte_table[8][256];
static uint32_t long_shift[4][256];
static uint32_t short_shift[4][256];
static cel_crc32c_way best = CEL_CRC32C_TABLES;
#if defined(__x86_64__)
static int multiplies;
#endif
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

#if defined(__x86_64__)
static void make_factors(void);
#endif

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
  make_factors();
  multiplies = __builtin_cpu_supports("pclmul") != 0;
  if (__builtin_cpu_supports("sse4.2")) {
    int folds = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("vpclmulqdq");
    best = folds ? CEL_CRC32C_FOLDING : CEL_CRC32C_INSTRUCTION;
  }
#elif defined(__aarch64__) && defined(__ARM_FEATURE_CRC32)
  best = CEL_CRC32C_INSTRUCTION;
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

#if defined(__x86_64__)
#include <immintrin.h>

// x^n modulo P, reflected.
static uint64_t power(unsigned n) {
  uint32_t value = 1u << 31;
  while (n--) value = value & 1 ? (value >> 1) ^ POLYNOMIAL : value >> 1;
  return value;
}

// A batch of one small record, which is most of an append's latency as one stream. A table for such short streams would cost more
// than it brings; two products and one step of the instruction join all three.
#define MULTIPLYING __attribute__((target("sse4.2,pclmul")))
enum { TINY_STREAM = 48 };

// What the states of the first two streams are multiplied by. A product of two states lies one too low among 64 bits, and the
// instruction multiplies by x^32.
static uint64_t tiny_factors[2];

MULTIPLYING static uint32_t tiny_streams(uint32_t state, const uint8_t *p) {
  uint64_t a = state, b = 0, c = 0;
  for (const uint8_t *end = p + TINY_STREAM; p < end; p += 8) {
    a = _mm_crc32_u64(a, load64(p));
    b = _mm_crc32_u64(b, load64(p + TINY_STREAM));
    c = _mm_crc32_u64(c, load64(p + 2 * TINY_STREAM));
  }
  __m128i factors = _mm_loadu_si128((const __m128i *)tiny_factors);
  __m128i first = _mm_clmulepi64_si128(_mm_cvtsi64_si128((long long)a), factors, 0x00);
  __m128i second = _mm_clmulepi64_si128(_mm_cvtsi64_si128((long long)b), factors, 0x10);
  uint64_t moved = _mm_crc32_u64(0, (uint64_t)_mm_cvtsi128_si64(_mm_xor_si128(first, second)));
  return (uint32_t)(moved ^ c);
}

// Folding: the first bytes of an input are replaced by a multiple of themselves that lies further back and leaves the same
// remainder, and is added to what lies there. Four registers of 64 bytes are folded by 256 bytes at a time, at the end into
// the last 16 bytes, which the instruction takes.
#define FOLDING __attribute__((target("avx512f,vpclmulqdq,sse4.2")))
enum { REGISTERS = 4, WIDTH = 64, FOLDED = REGISTERS * WIDTH };
// A shorter input has mostly just been stored, in smaller pieces, and so wide a load waits until all of them are in the cache.
enum { SHORTEST_FOLDED = 4 * WIDTH };

// For each 16 bytes of a register, what their two halves are multiplied by.
static uint64_t fold_all[8], fold_next[8], fold_last[8];

// By how much 16 bytes are multiplied that are moved by `bits`. A product of 64 and 32 reflected bits lies 33 too low among
// 128, and the first half stands for 64 more than the second.
static void set_fold(uint64_t pair[2], unsigned bits) {
  pair[0] = power(bits + 64 - 33);
  pair[1] = power(bits - 33);
}

static void make_factors(void) {
  tiny_factors[0] = power(2 * 8 * TINY_STREAM - 33);
  tiny_factors[1] = power(8 * TINY_STREAM - 33);
  for (int lane = 0; lane < 4; lane++) {
    set_fold(fold_all + 2 * lane, 8 * FOLDED);
    set_fold(fold_next + 2 * lane, 8 * WIDTH);
    if (lane < 3) set_fold(fold_last + 2 * lane, 128 * (3 - lane));
  }
}

FOLDING static inline __m512i fold(__m512i value, __m512i factors, __m512i onto) {
  __m512i first = _mm512_clmulepi64_epi128(value, factors, 0x00);
  __m512i second = _mm512_clmulepi64_epi128(value, factors, 0x11);
  return _mm512_ternarylogic_epi64(first, second, onto, 0x96);
}

// Takes as many whole pieces of WIDTH bytes as there are, at least one.
FOLDING static uint32_t by_folding(uint32_t state, const uint8_t *p, size_t length) {
  const __m512i next = _mm512_loadu_si512(fold_next);
  __m512i d = _mm512_xor_si512(_mm512_loadu_si512(p), _mm512_zextsi128_si512(_mm_cvtsi32_si128((int)state)));
  const uint8_t *end = p + length / WIDTH * WIDTH;
  p += WIDTH;
  if ((size_t)(end - p) >= 2 * FOLDED - WIDTH) {
    const __m512i all = _mm512_loadu_si512(fold_all);
    __m512i a = d, b = _mm512_loadu_si512(p), c = _mm512_loadu_si512(p + WIDTH);
    d = _mm512_loadu_si512(p + 2 * WIDTH);
    for (p += FOLDED - WIDTH; (size_t)(end - p) >= FOLDED; p += FOLDED) {
      a = fold(a, all, _mm512_loadu_si512(p));
      b = fold(b, all, _mm512_loadu_si512(p + WIDTH));
      c = fold(c, all, _mm512_loadu_si512(p + 2 * WIDTH));
      d = fold(d, all, _mm512_loadu_si512(p + 3 * WIDTH));
    }
    d = fold(fold(fold(a, next, b), next, c), next, d);
  }
  for (; p < end; p += WIDTH) d = fold(d, next, _mm512_loadu_si512(p));
  // The last 16 bytes stay where they are; the others are folded onto them.
  d = fold(d, _mm512_loadu_si512(fold_last), _mm512_maskz_mov_epi64(0xc0, d));
  __m256i half = _mm256_xor_si256(_mm512_castsi512_si256(d), _mm512_extracti64x4_epi64(d, 1));
  __m128i rest = _mm_xor_si128(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
  uint64_t result = _mm_crc32_u64(0, (uint64_t)_mm_cvtsi128_si64(rest));
  return (uint32_t)_mm_crc32_u64(result, (uint64_t)_mm_extract_epi64(rest, 1));
}
#endif

__attribute__((always_inline)) static inline uint32_t by(cel_crc32c_way way, uint32_t state, const uint8_t *p, size_t length) {
#ifdef __x86_64__
  if (way == CEL_CRC32C_FOLDING && length >= SHORTEST_FOLDED) {
    size_t rest = length % WIDTH;
    return by_instruction(by_folding(state, p, length), p + (length - rest), rest);
  }
  if (way != CEL_CRC32C_TABLES && multiplies && length < 3 * SHORT_STREAM) {
    for (; length >= 3 * TINY_STREAM; p += 3 * TINY_STREAM, length -= 3 * TINY_STREAM) state = tiny_streams(state, p);
  }
#endif
#ifdef HARDWARE
  if (way != CEL_CRC32C_TABLES) return by_instruction(state, p, length);
#endif
  return software(state, p, length);
}

uint32_t cel_crc32c(uint32_t crc, const void *data, size_t length) {
  pthread_once(&once, make_tables);
  return ~by(best, ~crc, data, length);
}

uint32_t cel_crc32c_by(cel_crc32c_way way, uint32_t crc, const void *data, size_t length) {
  pthread_once(&once, make_tables);
  return ~by(way < best ? way : best, ~crc, data, length);
}

uint32_t cel_crc32c_cold(uint32_t crc, const void *data, size_t length) {
  enum { LINE = 64, BLOCK = 3 * LONG_STREAM };
  const uint8_t *p = data;
  pthread_once(&once, make_tables);
  // One stream the processor fetches ahead by itself.
  if (best == CEL_CRC32C_FOLDING) return cel_crc32c(crc, p, length);
  for (; length > BLOCK; p += BLOCK, length -= BLOCK) {
    // Beyond the end too: there the next input lies, if one follows, and an address that is nobody's does no harm.
    for (size_t ahead = BLOCK; ahead < 2 * BLOCK; ahead += LINE) __builtin_prefetch(p + ahead);
    crc = cel_crc32c(crc, p, BLOCK);
  }
  return cel_crc32c(crc, p, length);
}
