// Reads a file's text, and the JSON objects of its lines, for all readers of data.
#pragma once

#include "kiln/core/file.h"

#include <nlohmann/json.hpp>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

namespace kiln {

using JsonRecord = nlohmann::json;

/// A file's bytes: mapped, or decompressed into memory if its name ends in .gz or .zst.
class FileText {
 public:
  /// Throws Error as read_file and read_decompressed do.
  explicit FileText(const std::filesystem::path& file);
  FileText(const FileText&) = delete;  // text() may point into it
  FileText& operator=(const FileText&) = delete;

  std::string_view text() const { return text_; }

 private:
  MappedFile mapped_;
  std::string bytes_;
  std::string_view text_;
};

/// Removes the first line from `text`. Returns it without and with its line end.
std::pair<std::string_view, std::string_view> take_line(std::string_view& text);

/// Returns "a.jsonl:3", for messages.
std::string line_place(const std::filesystem::path& file, std::int64_t number);

/// Returns the place of a record, for messages: "a.jsonl:3" for a line, counted from 1, "a.json[2]" for an element of
/// an array, counted from 0.
std::string record_place(const std::filesystem::path& file, std::int64_t number);

/// Returns true if a last line that has no line feed and is not JSON, as a process leaves it that is killed while it
/// writes, is to be left out. `place` is "a.jsonl:3".
using LeaveOutCutLine = std::function<bool(std::string_view line, const std::string& place)>;

/// Calls `visit` with the value of each line, and the line's number from 1 on; skips blank lines. `file` is for
/// messages. Throws Error (bad_input), as file:line, for a line that is not JSON or holds NUL, unless `leave_out` is
/// given and returns true. `first` is the number of the first line. Returns the number after the last one.
std::int64_t for_each_json_line(std::string_view text, const std::filesystem::path& file,
                                const std::function<void(JsonRecord& record, std::int64_t number)>& visit,
                                const LeaveOutCutLine& leave_out = {}, std::int64_t first = 1);

/// Calls `visit` with each record of a .jsonl file, or of a .json file that holds an array, and the record's number
/// (see record_place); either file may be compressed (.gz, .zst). `what` names the records in messages
/// ("conversations"). Throws Error: usage for another kind of file; bad_input for what is not JSON, and as FileText
/// does. `leave_out` is for_each_json_line's.
void for_each_json_record(const std::filesystem::path& file, std::string_view what,
                          const std::function<void(const JsonRecord& record, std::int64_t number)>& visit,
                          const LeaveOutCutLine& leave_out = {});

/// Returns the first record of such a file; nullopt if it has none, or is of another kind. Throws as
/// for_each_json_record does.
std::optional<JsonRecord> first_record(const std::filesystem::path& file);

}  // namespace kiln
