// Reads the lines that another process appends to a file, each once.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <sys/types.h>

namespace kiln {

/// A place in a file of lines. Lines are given out once they end in a line feed; those of more than 1 MiB are not.
class GrowingFile {
 public:
  explicit GrowingFile(std::filesystem::path path) : path_(std::move(path)) {}

  /// Calls `line` for each line that has come since the last call. If another file lies there now, or other bytes than
  /// were read, calls `restart` and reads from the beginning; if none lies there, calls `restart` alone. A path whose
  /// last part is a link, or that is no regular file, counts as no file. Throws Error (io) if reading fails.
  void read(const std::function<void()>& restart, const std::function<void(std::string_view)>& line);

  /// Returns the bytes of the file as far as its lines were given out.
  std::uint64_t position() const { return position_; }

 private:
  bool continues(int file, std::uint64_t size, dev_t device, ino_t inode) const;
  void read_on(int file, const std::function<void(std::string_view)>& line);
  void remember_end(int file);

  std::filesystem::path path_;
  dev_t device_ = 0;
  ino_t inode_ = 0;
  std::uint64_t position_ = 0;  // a line begins there, or a line that is too long continues
  bool is_in_long_line_ = false;
  std::string end_;  // the bytes before position_
};

/// Returns the complete lines within the last `most` bytes of a file; "" for what `read` above takes for no file.
/// Throws Error (io).
std::string last_lines(const std::filesystem::path& path, std::uint64_t most);

}  // namespace kiln
