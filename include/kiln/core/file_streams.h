// Reads and writes files in pieces, and appends whole records to files.
#pragma once

#include "kiln/core/descriptor.h"
#include "kiln/core/hash.h"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace kiln {

/// Reads pieces of a file at any offset. Unlike with a map, a file that shrinks meanwhile is an error, not a signal.
class FileReader {
 public:
  explicit FileReader(const std::filesystem::path& path);  // throws as read_file does

  const std::filesystem::path& path() const { return path_; }
  std::uint64_t size() const { return size_; }  // at the time of opening

  /// Fills `bytes` from `offset` on. Throws Error (bad_input if the file ends before, io if reading fails).
  void read(std::uint64_t offset, std::span<std::byte> bytes) const;

 private:
  std::filesystem::path path_;
  Descriptor file_;
  std::uint64_t size_ = 0;
};

/// Whether written data also stays in the page cache. `bypass` (O_DIRECT) saves that copy, for large files that are not
/// soon read again; file systems without O_DIRECT use the cache.
enum class PageCache { use, bypass };

/// Writes a new file in pieces, through a buffer, and hashes the data. Nothing is guaranteed before finish() returns.
class FileWriter {
 public:
  /// Creates the file. Throws Error (io). An unfinished file is not removed: that is up to the caller.
  explicit FileWriter(const std::filesystem::path& path, PageCache cache = PageCache::use);

  void write(std::string_view bytes);  // throws Error (io)

  /// Overwrites bytes written before; the digest stays that of the original bytes. Throws Error (io).
  void rewrite(std::uint64_t offset, std::string_view bytes);

  FileDigest finish();  // flushes to the disk and closes; throws Error (io)

 private:
  struct Free {
    void operator()(char* bytes) const { std::free(bytes); }
  };

  void flush();

  std::filesystem::path path_;
  std::unique_ptr<char, Free> buffer_;  // of kPiece bytes, aligned for O_DIRECT
  std::size_t buffered_ = 0;
  Descriptor file_;
  StreamHash hash_;
  std::uint64_t size_ = 0;
};

/// Appends records to a file, each with a single write, so that a reader does not see half a record.
class RecordAppender {
 public:
  explicit RecordAppender(const std::filesystem::path& path);  // creates a missing file; throws Error (io)

  /// Appends a record. On failure, removes what was written of it and throws Error (io).
  void append(std::string_view record);

  /// Flushes the appended records to the disk. Throws Error (io).
  void sync();

 private:
  std::filesystem::path path_;
  Descriptor file_;
};

/// Appends lines of text. On opening, first ends a line that a crash has left incomplete.
class LineAppender {
 public:
  explicit LineAppender(const std::filesystem::path& path);

  /// Appends `line` and a newline.
  void append(std::string_view line) { records_.append(std::string(line) + '\n'); }

  void sync() { records_.sync(); }

 private:
  RecordAppender records_;
};

/// Appends lines to a file to which other processes append too.
class SharedAppender {
 public:
  /// Creates a missing file. `is_whole` tells whether a last line without a line feed is complete. Throws Error (io).
  SharedAppender(const std::filesystem::path& path, std::function<bool(std::string_view line)> is_whole);

  /// Appends `line` and a line feed, and flushes the file to the disk. Holds a lock on the file meanwhile (flock), for
  /// which it waits. First ends a last line that has no line feed, or removes it if it is not whole: a process that was
  /// killed has left it. On failure, removes what was written and throws Error (io).
  void append(std::string_view line);

 private:
  void mend_last_line();

  std::filesystem::path path_;
  Descriptor file_;
  std::function<bool(std::string_view)> is_whole_;
};

}  // namespace kiln
