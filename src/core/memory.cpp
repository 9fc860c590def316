// Reads Linux's memory accounting from /proc and /sys.
#include "kiln/core/memory.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <sys/resource.h>

namespace kiln {
namespace {

constexpr std::uint64_t kUnlimited = std::numeric_limits<std::uint64_t>::max();

/// Returns the number after the key `wanted` in a file of lines "KEY NUMBER ...".
std::optional<std::uint64_t> number_of(const std::filesystem::path& path, std::string_view wanted) {
  std::ifstream file(path);
  std::string key;
  std::uint64_t number = 0;
  while (file >> key >> number) {
    if (key == wanted) return number;
    file.ignore(std::numeric_limits<std::streamsize>::max(), '\n');
  }
  return std::nullopt;
}

/// Returns a line such as "VmRSS:    1234 kB" of this process's status, in bytes.
std::uint64_t status_bytes(std::string_view wanted) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(wanted)) return 1024 * std::strtoull(line.c_str() + wanted.size(), nullptr, 10);
  }
  return 0;
}

}  // namespace

std::uint64_t memory_left_by(const std::filesystem::path& cgroup) {
  std::uint64_t limit = 0, used = 0;
  if (!(std::ifstream(cgroup / "memory.max") >> limit)) return kUnlimited;
  if (!(std::ifstream(cgroup / "memory.current") >> used)) return kUnlimited;
  for (const char* cache : {"active_file", "inactive_file"}) {
    used -= std::min(used, number_of(cgroup / "memory.stat", cache).value_or(0));
  }
  return limit > used ? limit - used : 0;
}

std::uint64_t available_memory_bytes() {
  const std::optional<std::uint64_t> kibibytes = number_of("/proc/meminfo", "MemAvailable:");
  return std::min(kibibytes ? *kibibytes * 1024 : kUnlimited, memory_left_by("/sys/fs/cgroup"));
}

std::uint64_t peak_memory_bytes() {
  struct rusage usage {};
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<std::uint64_t>(usage.ru_maxrss) * 1024;
}

std::uint64_t resident_memory_bytes() { return status_bytes("VmRSS:"); }

std::uint64_t recent_peak_memory_bytes() {
  const std::uint64_t since_restart = status_bytes("VmHWM:");
  return since_restart > 0 ? since_restart : peak_memory_bytes();  // some sandboxes leave it out
}

void restart_peak_memory() { std::ofstream("/proc/self/clear_refs") << 5; }

}  // namespace kiln
