// What this machine can do: loops that do the least that the work calls for, and nothing else.
#ifndef CLIMITS_H
#define CLIMITS_H

#include <stddef.h>
#include <stdint.h>

/// Makes a file of `size` bytes with fallocate and maps it. NULL where that fails.
void *limit_map_new_file(const char *path, size_t size, int *fd);
void limit_unmap(void *base, size_t size, int fd);

/// Copies `count` values of `value_size` bytes one after the other into the mapping. Returns the bytes written.
size_t limit_copy(void *base, const void *value, size_t value_size, size_t count);

/// Stores `count` batches of `per_batch` records with a key of 16 bytes each: header, varints, checksum. Returns the bytes.
size_t limit_encode(void *base, const void *key, const void *value, size_t value_size, size_t count, size_t per_batch);

/// Goes over what limit_encode stored, checks every checksum, and sums every byte of the values by eights.
uint64_t limit_decode(const void *base, size_t bytes);

/// Stores a record (or a batch) and syncs, `count` times.
void limit_store_and_sync(void *base, int fd, const void *value, size_t value_size, size_t count);

/// Compresses the same bytes `times` times: "gzip", "snappy", "lz4" or "zstd", at Kafka's default level. Returns the size.
size_t limit_compress(const char *codec, const void *data, size_t size, size_t times);

/// Nanoseconds of CLOCK_MONOTONIC.
uint64_t limit_now(void);
/// Sleeps until then.
void limit_sleep_until(uint64_t time);

#endif
