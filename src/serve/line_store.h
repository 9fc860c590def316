// Keeps records as lines of JSON in one file, which several threads and servers may use at a time.
#pragma once

#include "kiln/core/descriptor.h"
#include "kiln/core/file_streams.h"
#include "kiln/core/json.h"

#include <nlohmann/json.hpp>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <vector>

namespace kiln {

/// What a line means: of all lines with one key, the last one counts.
struct LineMeaning {
  std::string key;
  bool removes = false;           // the key has no record from here on
  Json summary = Json::object();  // kept in memory
};

/// A file of lines. Appending never changes earlier lines, so a crash loses at most the line being written: an
/// incomplete last line counts as not written, and the next append removes it. Lines that no function understands are
/// kept.
class LineStore {
 public:
  using Meaning = std::function<std::optional<LineMeaning>(const Json& line)>;

  /// `meaning` returns what a line is for, nullopt if it is of another kind. Reads nothing yet. Throws Error (io) if
  /// the lock file FILE.lock cannot be created.
  LineStore(std::filesystem::path file, Meaning meaning);

  /// A record: the place of its line in the file.
  struct Entry {
    std::uint64_t offset = 0;
    std::size_t length = 0;  // without the line feed
    Json summary = {};
  };

  /// Holds the file for itself while it lives, and knows all its lines.
  class Access {
   public:
    /// Waits for other threads and processes, and reads the lines that they have added. Throws Error (io, bad_input).
    explicit Access(LineStore& store);
    ~Access();
    Access(const Access&) = delete;
    Access& operator=(const Access&) = delete;

    const std::map<std::string, Entry>& entries() const { return store_.entries_; }

    /// Returns the record of a key, or null.
    const Entry* find(const std::string& key) const;

    /// Returns a record's line. Throws Error (io, bad_input).
    std::string text(const Entry& entry) const;

    /// Appends a line, which is on the disk when it returns. Throws Error (io), and has then changed nothing.
    void append(std::string_view line);

    /// Replaces a record's line by another, or by none, in a new file. Throws Error (io), and has then changed nothing.
    void replace(const std::string& key, std::string_view line);

    /// Rewrites the file without lines that no longer count, if they take more room than the others and `least`
    /// bytes. Only warns where that fails.
    void drop_superseded(std::uint64_t least);

   private:
    LineStore& store_;
    const std::lock_guard<std::mutex> threads_;
  };

 private:
  void read_new_lines();
  void take_line(std::string_view line, std::uint64_t offset);
  std::string bytes_of(std::uint64_t offset, std::size_t length) const;
  void rewrite(const std::string& dropped, std::string_view added);

  std::filesystem::path file_;
  Meaning meaning_;
  Descriptor lock_;
  std::mutex mutex_;                  // of what follows
  std::optional<FileReader> reader_;  // open, so that no other file gets its inode
  dev_t device_ = 0;
  ino_t inode_ = 0;
  std::uint64_t position_ = 0;    // as far as the file is read
  std::uint64_t superseded_ = 0;  // bytes of lines that no longer count
  std::map<std::string, Entry> entries_;
  std::vector<Entry> others_;  // lines of another kind
};

}  // namespace kiln
