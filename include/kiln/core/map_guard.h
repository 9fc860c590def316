// Ends the process with a message instead of SIGBUS when a mapped file shrinks or its disk fails.
#pragma once

#include <cstddef>
#include <string>

namespace kiln {

/// Guards [begin, begin + size) during its lifetime. A read there that the system cannot serve ends the process with
/// exit code 3 and a message that names `path`. The process cannot continue, but the last checkpoint is complete.
class MapGuard {
 public:
  MapGuard() = default;
  MapGuard(const char* begin, std::size_t size, const std::string& path);
  ~MapGuard();
  MapGuard(MapGuard&& other) noexcept;
  MapGuard& operator=(MapGuard&& other) noexcept;
  MapGuard(const MapGuard&) = delete;
  MapGuard& operator=(const MapGuard&) = delete;

 private:
  int place_ = -1;  // index in the signal handler's table; -1 if the table is full
};

}  // namespace kiln
