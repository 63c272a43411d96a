// Only in builds with the thread sanitizer; else this file is empty.
//
// `Synchronization.Mutex` takes its fast path inline, by atomics that the sanitizer sees. Its slow path, taken when
// two threads meet, lies in libswiftSynchronization, which was built without the sanitizer: a lock that was handed
// over there looks like no lock at all, and whatever it guards is reported as a race. These two functions stand before
// the library's own, call them, and tell the sanitizer what they do. They hide no race: what no lock orders is still
// not ordered. Where a later library no longer calls them, they do nothing.

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)

#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>

#define SWIFT __attribute__((swiftcall))
#define SELF __attribute__((swift_context))
#define WEAK __attribute__((weak))

// Synchronization._MutexHandle._lockSlow(Swift.UInt32) -> ()
#define LOCK_SLOW "$s15Synchronization12_MutexHandleV9_lockSlowyys6UInt32VF"
// Synchronization._MutexHandle._unlockSlow() -> ()
#define UNLOCK_SLOW "$s15Synchronization12_MutexHandleV11_unlockSlowyyF"

void __tsan_acquire(void *address);
void __tsan_release(void *address);

typedef SWIFT void (*LockSlow)(uint32_t thread, SELF void *handle);
typedef SWIFT void (*UnlockSlow)(SELF void *handle);

// Weak: a program with the Swift library linked into it keeps that library's own.
SWIFT WEAK void cel_mutex_lock_slow(uint32_t thread, SELF void *handle) __asm__(LOCK_SLOW);
SWIFT WEAK void cel_mutex_unlock_slow(SELF void *handle) __asm__(UNLOCK_SLOW);

SWIFT WEAK void cel_mutex_lock_slow(uint32_t thread, SELF void *handle) {
  static _Atomic(LockSlow) known;
  LockSlow original = known;
  if (original == 0) known = original = (LockSlow)dlsym(RTLD_NEXT, LOCK_SLOW);
  original(thread, handle);
  __tsan_acquire(handle);
}

SWIFT WEAK void cel_mutex_unlock_slow(SELF void *handle) {
  static _Atomic(UnlockSlow) known;
  UnlockSlow original = known;
  if (original == 0) known = original = (UnlockSlow)dlsym(RTLD_NEXT, UNLOCK_SLOW);
  __tsan_release(handle);
  original(handle);
}

#endif
#endif

// An empty translation unit is not C.
typedef int cel_thread_sanitizer;
