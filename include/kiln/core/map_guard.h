// Mapped files that shrink, or whose disk fails, while they are read: a message and an exit code in place of SIGBUS.
#pragma once

#include <cstddef>
#include <string>

namespace kiln {

/// While it lives, a read of [begin, begin + size) that the system cannot serve ends the process with exit code 3 and a
/// message that names `path`: there is no way to go on from there, and the last checkpoint is whole.
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
  int place_ = -1;  // in the table that the signal's handler reads; none where it is full
};

}  // namespace kiln
