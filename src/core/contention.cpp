// Reads Linux's accounting: /proc/self/task/*/schedstat for threads, /proc/stat for time stolen by the hypervisor.
#include "kiln/core/contention.h"

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>

namespace kiln {

std::optional<Contention::Times> Contention::read() {
  constexpr double kNanosecond = 1e-9;
  Times times;
  std::error_code error;
  bool known = false;
  for (const auto& thread : std::filesystem::directory_iterator("/proc/self/task", error)) {
    std::uint64_t ran = 0, waited = 0;
    if (!(std::ifstream(thread.path() / "schedstat") >> ran >> waited)) continue;  // the thread may just have ended
    times.ran += kNanosecond * static_cast<double>(ran);
    times.waited += kNanosecond * static_cast<double>(waited);
    known = true;
  }
  if (!known) return std::nullopt;
  std::ifstream machine("/proc/stat");
  std::string cpu;
  double user = 0, nice = 0, system = 0, idle = 0, iowait = 0, irq = 0, softirq = 0, steal = 0;
  if (machine >> cpu >> user >> nice >> system >> idle >> iowait >> irq >> softirq >> steal) {
    times.stolen = steal;
    times.available = user + nice + system + irq + softirq + steal;  // steal only happens to busy cores
  }
  return times;
}

std::optional<double> Contention::waited_share() const {
  const std::optional<Times> end = read();
  if (!begin_ || !end) return std::nullopt;
  const double ran = std::max(0.0, end->ran - begin_->ran), waited = std::max(0.0, end->waited - begin_->waited);
  if (ran + waited <= 0) return std::nullopt;
  const double available = end->available - begin_->available;
  const double stolen = available > 0 ? std::clamp((end->stolen - begin_->stolen) / available, 0.0, 1.0) : 0;
  return 1 - (1 - waited / (ran + waited)) * (1 - stolen);
}

}  // namespace kiln
