// A library to preload that makes the wall clock jump back and forth by hours, as an administrator or a time server
// may.
#include <ctime>
#include <dlfcn.h>
#include <sys/time.h>

namespace {

/// Hours off by which the wall clock is at its next reading.
time_t jump() {
  static thread_local unsigned readings = 0;
  constexpr time_t kHour = 3600;
  return (++readings % 2 == 0 ? -5 : 3) * kHour;
}

}  // namespace

extern "C" {

int clock_gettime(clockid_t clock, timespec* time) {
  static auto* const next = reinterpret_cast<int (*)(clockid_t, timespec*)>(::dlsym(RTLD_NEXT, "clock_gettime"));
  const int result = next(clock, time);
  if (clock == CLOCK_REALTIME) time->tv_sec += jump();
  return result;
}

int gettimeofday(timeval* time, void* zone) {
  static auto* const next = reinterpret_cast<int (*)(timeval*, void*)>(::dlsym(RTLD_NEXT, "gettimeofday"));
  const int result = next(time, zone);
  time->tv_sec += jump();
  return result;
}

time_t time(time_t* out) {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  if (out != nullptr) *out = now.tv_sec;
  return now.tv_sec;
}

}  // extern "C"
