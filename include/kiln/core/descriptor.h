// Closes an open file on every way out (RAII).
#pragma once

#include <fcntl.h>
#include <filesystem>
#include <sys/types.h>
#include <unistd.h>
#include <utility>

namespace kiln {

/// Owns a file descriptor, or none.
class Descriptor {
 public:
  Descriptor() = default;
  /// Calls open(2) with O_CLOEXEC. On failure it owns no descriptor, and errno says why.
  Descriptor(const std::filesystem::path& path, int flags, mode_t mode = 0644)
      : value_(::open(path.c_str(), flags | O_CLOEXEC, mode)) {}
  /// Takes over a descriptor that another call has opened.
  static Descriptor adopt(int value) {
    Descriptor descriptor;
    descriptor.value_ = value;
    return descriptor;
  }
  ~Descriptor() { close(); }
  Descriptor(Descriptor&& other) noexcept : value_(std::exchange(other.value_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(value_, other.value_);
    return *this;
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  bool is_open() const { return value_ >= 0; }
  int get() const { return value_; }

  /// Closes the descriptor. Returns false on an error of close(2), see errno; the descriptor is gone either way.
  bool close() { return value_ < 0 || ::close(std::exchange(value_, -1)) == 0; }

 private:
  int value_ = -1;
};

}  // namespace kiln
