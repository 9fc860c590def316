// Files read and written in pieces, and files that grow by whole records.
#pragma once

#include "kiln/core/descriptor.h"
#include "kiln/core/hash.h"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace kiln {

/// Reads pieces of a file at any place. Unlike a map, a file that shrinks meanwhile is an error, not a signal.
class FileReader {
 public:
  explicit FileReader(const std::filesystem::path& path);  // throws as read_file does

  const std::filesystem::path& path() const { return path_; }
  std::uint64_t size() const { return size_; }  // when it was opened

  /// Fills `bytes` from `offset` on. Throws Error (bad_input where the file ends before, io where reading fails).
  void read(std::uint64_t offset, std::span<std::byte> bytes) const;

 private:
  std::filesystem::path path_;
  Descriptor file_;
  std::uint64_t size_ = 0;
};

/// Whether the system keeps in memory what goes to the disk. `bypass` spares the processor that copy, for a large file
/// that is not read again soon; where the file system knows no such way (O_DIRECT), the file is kept as ever.
enum class PageCache { use, bypass };

/// Writes a new file in pieces, through a buffer, and hashes what goes by. Until finish() returns nothing is promised.
class FileWriter {
 public:
  /// Throws Error (io). A file that is not finished is left to its owner.
  explicit FileWriter(const std::filesystem::path& path, PageCache cache = PageCache::use);

  void write(std::string_view bytes);  // throws Error (io)

  /// Writes bytes over others that went by before; the digest is still of those. Throws Error (io).
  void rewrite(std::uint64_t offset, std::string_view bytes);

  FileDigest finish();  // flushes to the disk and closes; throws Error (io)

 private:
  struct Free {
    void operator()(char* bytes) const { std::free(bytes); }
  };

  void flush();

  std::filesystem::path path_;
  std::unique_ptr<char, Free> buffer_;  // of one piece, aligned as O_DIRECT wants it
  std::size_t buffered_ = 0;
  Descriptor file_;
  StreamHash hash_;
  std::uint64_t size_ = 0;
};

/// Appends records to a file, each by one write, so that a reader never sees half of one.
class RecordAppender {
 public:
  explicit RecordAppender(const std::filesystem::path& path);  // created where it is missing; throws Error (io)

  /// Throws Error (io); what was written of the record is then taken back.
  void append(std::string_view record);

  /// Flushes what was appended to the disk. Throws Error (io).
  void sync();

 private:
  std::filesystem::path path_;
  Descriptor file_;
};

/// The same for lines of text; what a crash has left of a line is ended first.
class LineAppender {
 public:
  explicit LineAppender(const std::filesystem::path& path);

  /// Appends `line` and a newline.
  void append(std::string_view line) { records_.append(std::string(line) + '\n'); }

  void sync() { records_.sync(); }

 private:
  RecordAppender records_;
};

}  // namespace kiln
