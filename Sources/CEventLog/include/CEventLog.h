// The few things Swift cannot say: CRC-32C by the processor's instructions, and the Linux calls that
// the Glibc module does not show. No logic lives here.
#ifndef CEVENTLOG_H
#define CEVENTLOG_H

#include <semaphore.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

/// CRC-32C (Castagnoli) of `length` bytes, continued from `crc` (0 to begin).
uint32_t cel_crc32c(uint32_t crc, const void *data, size_t length);

/// The same for bytes that are not in the processor's caches: what comes next is fetched while this is gone over.
uint32_t cel_crc32c_cold(uint32_t crc, const void *data, size_t length);

/// How it is computed, the quickest last: by tables, by the processor's instruction for it, and by multiplying polynomials,
/// where the processor does so with four at a time.
typedef enum { CEL_CRC32C_TABLES, CEL_CRC32C_INSTRUCTION, CEL_CRC32C_FOLDING } cel_crc32c_way;

/// The same by another way, or by the best one that there is below it: so that tests can compare them.
uint32_t cel_crc32c_by(cel_crc32c_way way, uint32_t crc, const void *data, size_t length);

/// Has the processor fetch what lies at `address`, for a read soon. Any address will do.
static inline void cel_prefetch(const void *address) { __builtin_prefetch(address); }

/// Has the processor make the `length` bytes from `address` on ready to be stored to soon. Any address will do.
static inline void cel_prefetch_to_store(void *address, size_t length) {
  for (size_t place = 0; place < length; place += 64) __builtin_prefetch((char *)address + place, 1);
}

/// Tells the processor that this thread looks at the same place again and again, so that it goes easy on what it shares with others.
static inline void cel_spin_pause(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("isb" ::: "memory");
#endif
}

/// Milliseconds since 1970, as CLOCK_REALTIME has them. Cheap when asked often: the clock is only read where the processor's
/// counter does not show that its millisecond is still the same. A clock that is set is noticed a tenth of a millisecond later.
int64_t cel_wall_milliseconds(void);

/// Notes that the calling thread is one of the library's own, and asks whether it is (1 or 0).
void cel_set_own_thread(void);
int cel_is_own_thread(void);

/// fallocate(2) with mode 0: reserves blocks and grows the file. Returns 0, or the errno.
int cel_fallocate(int fd, off_t offset, off_t length);

/// sync_file_range(SYNC_FILE_RANGE_WRITE) of the whole file: has its dirty pages written out, and waits for none of them. It takes
/// no error away from the sync that comes later.
void cel_start_writeback(int fd);

/// 1 where a file may not grow to `end` bytes (RLIMIT_FSIZE), so that trying would end the process by a signal.
int cel_is_beyond_file_size_limit(off_t end);

/// madvise(MADV_POPULATE_WRITE): faults pages in, writable. Returns 0, or the errno (EINVAL before Linux 5.14).
int cel_populate_write(void *address, size_t length);

/// madvise(MADV_POPULATE_READ): reads pages in and maps them, so that what the disk refuses is an error and no signal.
/// Returns 0, or the errno (EINVAL before Linux 5.14; EFAULT where touching them would have raised SIGBUS).
int cel_populate_read(const void *address, size_t length);

/// copy_file_range(2) from where the one file is read to where the other is written; the new one may share the old one's
/// blocks. Returns how many bytes, 0 at the end of the file, or the negative errno.
ssize_t cel_copy_file_range(int from, int to, size_t length);

/// madvise(MADV_HUGEPAGE or MADV_NOHUGEPAGE): whether the page cache may take memory in pieces of up to 2 MiB. Returns 0,
/// or the errno (EINVAL where the kernel was built without).
int cel_advise_large_pages(void *address, size_t length, int wanted);

/// Says when what lies at `path`, itself where it is a link, was changed last. 0, or an `errno`.
int cel_set_modified(const char *path, struct timespec time);

/// How many processors this process may run on (sched_getaffinity); 1024 where the kernel does not say.
int cel_usable_processors(void);

/// flock(LOCK_EX | LOCK_NB). Returns 0, or the errno (EWOULDBLOCK when another holds it).
int cel_lock_exclusive(int fd);

/// flock(LOCK_UN). Returns 0, or the errno.
int cel_unlock(int fd);

/// open(2), which is variadic and so hidden from Swift, with O_CLOEXEC and O_NOFOLLOW added. Returns the
/// descriptor, or the negative errno.
int cel_open(const char *path, int flags, mode_t mode);

/// sem_clockwait(3) on the monotonic clock. Returns 0, or the errno (ETIMEDOUT when the time is over).
int cel_semaphore_wait_until(sem_t *semaphore, const struct timespec *deadline);

/// Stores a big-endian 32-bit number at an address that need not be aligned, after all stores before it
/// (release). The processor may split the store where it crosses a cache line.
void cel_store_release_be32(void *address, uint32_t value);

#endif
