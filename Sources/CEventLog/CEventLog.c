#define _GNU_SOURCE
#include "CEventLog.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

static _Thread_local int is_own_thread;
void cel_set_own_thread(void) { is_own_thread = 1; }
int cel_is_own_thread(void) { return is_own_thread; }

// Beyond the limit the kernel does not only refuse, but also sends SIGXFSZ, which ends the process. The limit is looked
// at first instead, since a library does not change what signals do.
int cel_is_beyond_file_size_limit(off_t end) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_FSIZE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return 0;
  return end < 0 || (uint64_t)end > (uint64_t)limit.rlim_cur;
}

int cel_fallocate(int fd, off_t offset, off_t length) {
  int result;
  if (cel_is_beyond_file_size_limit(offset + length)) return EFBIG;
  do {
    result = fallocate(fd, 0, offset, length);
  } while (result != 0 && errno == EINTR);
  return result == 0 ? 0 : errno;
}

void cel_start_writeback(int fd) { sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE); }

int cel_populate_write(void *address, size_t length) {
  return madvise(address, length, MADV_POPULATE_WRITE) == 0 ? 0 : errno;
}

int cel_populate_read(const void *address, size_t length) {
  return madvise((void *)address, length, MADV_POPULATE_READ) == 0 ? 0 : errno;
}

ssize_t cel_copy_file_range(int from, int to, size_t length) {
  ssize_t moved;
  do {
    moved = copy_file_range(from, NULL, to, NULL, length, 0);
  } while (moved < 0 && errno == EINTR);
  return moved < 0 ? -errno : moved;
}

int cel_advise_large_pages(void *address, size_t length, int wanted) {
  return madvise(address, length, wanted ? MADV_HUGEPAGE : MADV_NOHUGEPAGE) == 0 ? 0 : errno;
}

int cel_usable_processors(void) {
  cpu_set_t set;
  return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1024;
}

int cel_lock_exclusive(int fd) {
  return flock(fd, LOCK_EX | LOCK_NB) == 0 ? 0 : errno;
}

int cel_unlock(int fd) {
  return flock(fd, LOCK_UN) == 0 ? 0 : errno;
}

static int open_uninterrupted(const char *path, int flags, mode_t mode) {
  int fd;
  do {
    fd = open(path, flags | O_CLOEXEC | O_NOFOLLOW, mode);
  } while (fd < 0 && errno == EINTR);
  return fd < 0 ? -errno : fd;
}

// When a file was last read is of no interest, and to note it is a change of the file's inode that has to be journaled. Only
// the file's owner may do without.
int cel_open(const char *path, int flags, mode_t mode) {
  int fd = open_uninterrupted(path, flags | O_NOATIME, mode);
  return fd == -EPERM ? open_uninterrupted(path, flags, mode) : fd;
}

int cel_set_modified(const char *path, struct timespec time) {
  struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, time};
  return utimensat(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW) == 0 ? 0 : errno;
}

int cel_semaphore_wait_until(sem_t *semaphore, const struct timespec *deadline) {
  int result;
  do {
    result = sem_clockwait(semaphore, CLOCK_MONOTONIC, deadline);
  } while (result != 0 && errno == EINTR);
  return result == 0 ? 0 : errno;
}

void cel_store_release_be32(void *address, uint32_t value) {
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
  value = __builtin_bswap32(value);
#endif
  atomic_thread_fence(memory_order_release);
  memcpy(address, &value, sizeof value);
}
