// A library to preload that makes a program's disk slow or faulty, so that the program under test needs no hook for it.
//
//   LD_PRELOAD=libfaulty_disk.so FAULTY_DISK_PATHS=step-0+10/ FAULTY_DISK_CALL=fsync kiln train ...
//
// FAULTY_DISK_PATHS     the files meant: an extended regular expression, found anywhere in the absolute path
// FAULTY_DISK_CALL      write, fsync, close, flock, rename or renameat2: fails on those files
// FAULTY_DISK_ERRNO     how it fails (a number; EIO where it is not given)
// FAULTY_DISK_LOG       a file that gets a line for each call on those files, "CALL PATH", before it is made
// FAULTY_DISK_DELAY_MS  how long each call on those files lasts, removals included; a write is then in two halves
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <fcntl.h>
#include <regex.h>
#include <string>
#include <sys/types.h>
#include <thread>
#include <unistd.h>

namespace {

struct Settings {
  Settings() {
    const char* paths = std::getenv("FAULTY_DISK_PATHS");
    enabled = paths != nullptr && ::regcomp(&pattern, paths, REG_EXTENDED | REG_NOSUB) == 0;
    if (const char* text = std::getenv("FAULTY_DISK_CALL")) call = text;
    if (const char* path = std::getenv("FAULTY_DISK_LOG"))
      log = ::open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (const char* text = std::getenv("FAULTY_DISK_ERRNO")) error = std::atoi(text);
    if (const char* text = std::getenv("FAULTY_DISK_DELAY_MS")) delay_ms = std::atof(text);
  }
  bool enabled = false;
  regex_t pattern{};
  std::string call;
  int error = EIO;
  int log = -1;  // a descriptor
  double delay_ms = 0;
};

const Settings& settings() {
  static const Settings once;
  return once;
}

template <class Function>
Function* real(const char* name) {
  return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}

std::string path_of(int descriptor) {
  char path[4096];
  const std::string link = "/proc/self/fd/" + std::to_string(descriptor);
  const ssize_t size = ::readlink(link.c_str(), path, sizeof(path));
  return size > 0 ? std::string(path, static_cast<std::size_t>(size)) : std::string();
}

/// What happens to a call on a path before it is made.
enum class Fate { as_ever, slow, fails };

Fate fate_of(const char* call, const std::string& path) {
  const Settings& s = settings();
  if (!s.enabled || path.empty() || ::regexec(&s.pattern, path.c_str(), 0, nullptr, 0) != 0) return Fate::as_ever;
  if (s.log >= 0) ::dprintf(s.log, "%s %s\n", call, path.c_str());
  if (s.call == call) {
    errno = s.error;
    return Fate::fails;
  }
  return s.delay_ms > 0 ? Fate::slow : Fate::as_ever;
}

void delay() { std::this_thread::sleep_for(std::chrono::duration<double, std::milli>(settings().delay_ms)); }

}  // namespace

extern "C" {

ssize_t write(int descriptor, const void* bytes, size_t count) {
  static auto* const next = real<ssize_t(int, const void*, size_t)>("write");
  const Fate fate = fate_of("write", path_of(descriptor));
  if (fate == Fate::fails) return -1;
  if (fate == Fate::as_ever || count < 2) return next(descriptor, bytes, count);
  const ssize_t first = next(descriptor, bytes, count / 2);
  if (first != static_cast<ssize_t>(count / 2)) return first;
  delay();
  const ssize_t second = next(descriptor, static_cast<const char*>(bytes) + first, count - count / 2);
  return second < 0 ? first : first + second;
}

int fsync(int descriptor) {
  static auto* const next = real<int(int)>("fsync");
  const Fate fate = fate_of("fsync", path_of(descriptor));
  if (fate == Fate::slow) delay();
  return fate == Fate::fails ? -1 : next(descriptor);
}

int close(int descriptor) {
  static auto* const next = real<int(int)>("close");
  const Fate fate = fate_of("close", path_of(descriptor));
  const int error = errno;
  const int result = next(descriptor);
  if (fate != Fate::fails) return result;
  errno = error;
  return -1;
}

int rename(const char* from, const char* to) {
  static auto* const next = real<int(const char*, const char*)>("rename");
  const Fate fate = fate_of("rename", to);
  if (fate == Fate::slow) delay();
  return fate == Fate::fails ? -1 : next(from, to);
}

int renameat2(int old_folder, const char* from, int new_folder, const char* to, unsigned flags) {
  static auto* const next = real<int(int, const char*, int, const char*, unsigned)>("renameat2");
  return fate_of("renameat2", to) == Fate::fails ? -1 : next(old_folder, from, new_folder, to, flags);
}

int flock(int descriptor, int operation) {
  static auto* const next = real<int(int, int)>("flock");
  return fate_of("flock", path_of(descriptor)) == Fate::fails ? -1 : next(descriptor, operation);
}

int unlinkat(int folder, const char* name, int flags) {
  static auto* const next = real<int(int, const char*, int)>("unlinkat");
  if (fate_of("unlink", (folder == AT_FDCWD ? "" : path_of(folder) + "/") + name) == Fate::slow) delay();
  return next(folder, name, flags);
}

}  // extern "C"
