// Reads, maps and atomically replaces whole files; handles folders and paths.
#pragma once

#include "kiln/core/hash.h"
#include "kiln/core/map_guard.h"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace kiln {

/// Returns the file's bytes. Throws Error (bad_input if it cannot be opened or is a folder, io if reading fails).
std::string read_file(const std::filesystem::path& path);

/// Replaces the contents of `path` so that a crash leaves either the old or the new file: writes a temporary file
/// beside it, then fsync, rename, fsync of the folder. Throws Error (io) and then removes the temporary file.
void write_file_atomically(const std::filesystem::path& path, std::string_view bytes);

/// Renames file `from` to `to`, replacing any file there, and flushes the folder to the disk. Throws Error (io).
void replace_file(const std::filesystem::path& from, const std::filesystem::path& to);

/// Flushes a folder's entries to the disk, so that a rename in it survives a crash. Throws Error (io).
void sync_directory(const std::filesystem::path& directory);

/// Writes `bytes` to a new file and flushes it to the disk. Returns its size and hash. Throws Error (io).
FileDigest write_file_synced(const std::filesystem::path& path, std::string_view bytes);

/// Renames folder `from` to `to` and flushes the parent to the disk. If `to` exists, exchanges the two atomically where
/// the file system can, then removes the old folder. Throws Error (io).
void replace_directory(const std::filesystem::path& from, const std::filesystem::path& to);

/// Creates a folder and its parents where they are missing, and flushes each to the disk. Throws Error (io).
void make_directories(const std::filesystem::path& path);

/// Returns the paths in a folder, sorted; none if there is no such folder. Throws Error (io).
std::vector<std::filesystem::path> list_folder(const std::filesystem::path& folder);

/// Returns whether the path exists, or is a folder. Unlike std::filesystem's functions, these never throw: a path that
/// this process may not look up does not exist.
bool path_exists(const std::filesystem::path& path);
bool is_folder(const std::filesystem::path& path);

/// Returns folder / name. Throws Error (bad_input) if it leaves the folder through "..", a root or a symbolic link.
std::filesystem::path path_within(const std::filesystem::path& folder, const std::filesystem::path& name);

/// Returns the XXH3 of a file's contents, read in pieces. Throws as read_file does.
std::uint64_t hash_file(const std::filesystem::path& path);

/// Maps a whole file into memory, read-only; an empty file maps to no bytes. If the file is cut short while it is
/// mapped, the process ends as MapGuard describes.
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

}  // namespace kiln
