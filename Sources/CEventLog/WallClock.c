#include "CEventLog.h"

#include <time.h>

static int64_t nanoseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

#if defined(__x86_64__)
#include <x86intrin.h>

// What this thread knows of the clock. `ticks` of the processor's counter later, at most, the millisecond is still the same.
static _Thread_local struct {
  uint64_t tick, ticks;
  int64_t nanosecond, millisecond;
} last;

int64_t cel_wall_milliseconds(void) {
  uint64_t tick = __rdtsc();
  // A counter that went back, on another processor, is far ahead in unsigned numbers.
  if (tick - last.tick < last.ticks) return last.millisecond;
  int64_t now = nanoseconds();
  // The counter runs at 1 GHz or faster, so that as many ticks are at most as many nanoseconds. Where what passed since the
  // last look says otherwise, it is not believed.
  int isFast = now >= last.nanosecond && (uint64_t)(now - last.nanosecond) <= tick - last.tick;
  uint64_t rest = (uint64_t)(1000000 - now % 1000000);
  last.tick = tick;
  last.nanosecond = now;
  last.millisecond = now / 1000000;
  last.ticks = !isFast ? 0 : rest < 100000 ? rest : 100000;
  return last.millisecond;
}
#else
int64_t cel_wall_milliseconds(void) { return nanoseconds() / 1000000; }
#endif
