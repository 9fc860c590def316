// Reading, mapping, locking and atomically replacing files.
#pragma once

#include "kiln/core/map_guard.h"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

struct XXH3_state_s;

namespace kiln {

/// The whole file as bytes. Throws Error (bad_input where it does not exist or is a directory, io where reading fails).
std::string read_file(const std::filesystem::path& path);

/// Replaces `path` with `bytes` so that a crash leaves either the old or the new file:
/// temporary beside it, fsync, rename, fsync of the folder. Throws Error (io); the temporary is then removed.
void write_file_atomically(const std::filesystem::path& path, std::string_view bytes);

/// Puts the file `from` where `to` is or will be, flushed to the disk. Throws Error (io).
void replace_file(const std::filesystem::path& from, const std::filesystem::path& to);

/// Flushes a folder's entries to the disk, so that a rename in it outlives a crash. Throws Error (io).
void sync_directory(const std::filesystem::path& directory);

/// What a manifest keeps of a file.
struct FileDigest {
  std::uint64_t size = 0;
  std::uint64_t hash = 0;  // XXH3, 64 bits
  friend bool operator==(const FileDigest&, const FileDigest&) = default;
};

/// Writes `bytes` to a new file and flushes it to the disk. Throws Error (io).
FileDigest write_file_synced(const std::filesystem::path& path, std::string_view bytes);

/// Puts the folder `from` where `to` is, flushed to the disk; a folder that is there already changes places with it
/// (at no instant is there none) and is then removed. Throws Error (io).
void replace_directory(const std::filesystem::path& from, const std::filesystem::path& to);

/// Makes a folder, where it is not there, and those it lies in, each flushed to the disk. Throws Error (io).
void make_directories(const std::filesystem::path& path);

/// What lies in a folder, in the order of the names; nothing where there is no folder. Throws Error (io).
std::vector<std::filesystem::path> list_folder(const std::filesystem::path& folder);

/// Whether something, or a folder, is there as far as this process may look; unlike std::filesystem's, they never
/// throw.
bool path_exists(const std::filesystem::path& path);
bool is_folder(const std::filesystem::path& path);

/// The path of `name` within `folder`, which it may not leave, be it by "..", a root or a symbolic link.
/// Throws Error (bad_input).
std::filesystem::path path_within(const std::filesystem::path& folder, const std::filesystem::path& name);

/// XXH3, 64 bits, of the bytes; `seed` chains calls.
std::uint64_t hash_bytes(std::string_view bytes, std::uint64_t seed = 0);

/// XXH3, 64 bits, of bytes that come in pieces.
class StreamHash {
 public:
  StreamHash();
  void update(std::string_view bytes);
  std::uint64_t digest() const;

 private:
  struct Free {
    void operator()(XXH3_state_s* state) const;
  };
  std::unique_ptr<XXH3_state_s, Free> state_;
};

/// XXH3 of a file's contents, read in pieces. Throws as read_file does.
std::uint64_t hash_file(const std::filesystem::path& path);

/// A hash as 16 hexadecimal digits, the way it stands in manifests and file names.
std::string hex(std::uint64_t value);

/// A read-only memory map of a whole file; an empty file maps to no bytes. A file that is cut short while it is mapped
/// ends the process as MapGuard says.
class MappedFile {
 public:
  MappedFile() = default;
  explicit MappedFile(const std::filesystem::path& path);  // throws as read_file does
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::string_view bytes() const { return {data_, size_}; }
  std::size_t size() const { return size_; }

 private:
  const char* data_ = nullptr;
  std::size_t size_ = 0;
  MapGuard guard_;
};

/// Reads pieces of a file at any place. Unlike a map, a file that shrinks meanwhile is an error, not a signal.
class FileReader {
 public:
  explicit FileReader(const std::filesystem::path& path);  // throws as read_file does
  ~FileReader();
  FileReader(FileReader&& other) noexcept;
  FileReader& operator=(FileReader&& other) noexcept;
  FileReader(const FileReader&) = delete;
  FileReader& operator=(const FileReader&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::uint64_t size() const { return size_; }  // when it was opened

  /// Fills `bytes` from `offset` on. Throws Error (bad_input where the file ends before, io where reading fails).
  void read(std::uint64_t offset, std::span<std::byte> bytes) const;

 private:
  std::filesystem::path path_;
  int descriptor_ = -1;
  std::uint64_t size_ = 0;
};

/// Whether the system keeps in memory what goes to the disk. `bypass` spares the processor that copy, for a large file
/// that is not read again soon; where the file system knows no such way (O_DIRECT), the file is kept as ever.
enum class PageCache { use, bypass };

/// Writes a new file in pieces, through a buffer, and hashes what goes by. Until finish() returns nothing is promised.
class FileWriter {
 public:
  explicit FileWriter(const std::filesystem::path& path, PageCache cache = PageCache::use);  // throws Error (io)
  ~FileWriter();  // closes; an unfinished file is left to its owner
  FileWriter(const FileWriter&) = delete;
  FileWriter& operator=(const FileWriter&) = delete;

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
  int descriptor_;
  StreamHash hash_;
  std::uint64_t size_ = 0;
};

/// Appends records to a file, each by one write, so that a reader never sees half of one.
class RecordAppender {
 public:
  explicit RecordAppender(const std::filesystem::path& path);  // created where it is missing; throws Error (io)
  ~RecordAppender();
  RecordAppender(const RecordAppender&) = delete;
  RecordAppender& operator=(const RecordAppender&) = delete;

  /// Throws Error (io); what was written of the record is then taken back.
  void append(std::string_view record);

  /// Flushes what was appended to the disk. Throws Error (io).
  void sync();

 private:
  std::filesystem::path path_;
  int descriptor_;
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

/// Holds an advisory lock on a file that names the holder's process; released on destruction or when the process dies.
class FileLock {
 public:
  /// Throws Error (usage) that names the holder's process id where another process holds the lock, and what the user
  /// can do beside waiting ("choose ..."), if anything.
  explicit FileLock(const std::filesystem::path& path, std::string_view remedy = {});
  ~FileLock();
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

 private:
  int descriptor_ = -1;
};

/// Whether a file is what FileLock leaves: a process id and nothing else.
bool is_file_lock(const std::filesystem::path& path);

/// The id of the process that holds the FileLock on a file; nothing where none does, or there is no such file.
std::optional<std::int64_t> lock_holder(const std::filesystem::path& path);

}  // namespace kiln
