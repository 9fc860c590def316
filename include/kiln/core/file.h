// Whole files: reading, mapping and atomically replacing them; folders and paths.
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

/// The whole file as bytes. Throws Error (bad_input where it does not exist or is a directory, io where reading fails).
std::string read_file(const std::filesystem::path& path);

/// Replaces `path` with `bytes` so that a crash leaves either the old or the new file:
/// temporary beside it, fsync, rename, fsync of the folder. Throws Error (io); the temporary is then removed.
void write_file_atomically(const std::filesystem::path& path, std::string_view bytes);

/// Puts the file `from` where `to` is or will be, flushed to the disk. Throws Error (io).
void replace_file(const std::filesystem::path& from, const std::filesystem::path& to);

/// Flushes a folder's entries to the disk, so that a rename in it outlives a crash. Throws Error (io).
void sync_directory(const std::filesystem::path& directory);

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

/// XXH3 of a file's contents, read in pieces. Throws as read_file does.
std::uint64_t hash_file(const std::filesystem::path& path);

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

}  // namespace kiln
