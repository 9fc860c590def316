// Parses line by line, so that one record at a time is in memory.
#include "data/json_lines.h"

#include "kiln/core/compressed_file.h"
#include "kiln/core/error.h"
#include "kiln/core/extension.h"
#include "kiln/core/json.h"
#include "kiln/data/source_files.h"

#include "data/foreign_content.h"

namespace kiln {
namespace {

bool is_lines(const std::filesystem::path& file) { return source_kind(file) == SourceKind::jsonl; }

/// Returns the array that a .json file holds. Throws Error (bad_input) with line and column.
JsonRecord parse_array(std::string_view text, const std::filesystem::path& file) {
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  const bool starts_object = first != std::string_view::npos && text[first] == '{';
  check_input(!starts_object,
              "{}: holds an object; expected an array of objects. If each line is an object, give the file a name that "
              "ends in .jsonl",
              file.string());
  check_input(text.find('\0') == std::string_view::npos, "{}: not valid JSON: holds a byte of 0", file.string());
  JsonRecord array;
  try {
    array = JsonRecord::parse(text.begin(), text.end());
  } catch (const JsonRecord::exception& error) {
    const std::string_view reason = error.what();
    fail(ExitCode::bad_input, "{}: not valid JSON: {}", file.string(), reason.substr(reason.find("] ") + 2));
  }
  check_input(array.is_array(), "{}: holds {}; expected an array of objects", file.string(),
              array.is_array() ? "" : brief_json(Json(array)));
  return array;
}

}  // namespace

FileText::FileText(const std::filesystem::path& file) {
  if (is_compressed(file)) {
    bytes_ = read_decompressed(file);
    text_ = bytes_;
  } else {
    mapped_ = MappedFile(file);
    text_ = mapped_.bytes();
  }
}

std::pair<std::string_view, std::string_view> take_line(std::string_view& text) {
  const std::size_t end = text.find('\n');
  const std::string_view whole = text.substr(0, end == std::string_view::npos ? text.size() : end + 1);
  text.remove_prefix(whole.size());
  std::string_view content = whole;
  if (content.ends_with('\n')) content.remove_suffix(1);
  if (content.ends_with('\r')) content.remove_suffix(1);
  return {content, whole};
}

std::string line_place(const std::filesystem::path& file, std::int64_t number) {
  return fmt::format("{}:{}", file.string(), number);
}

std::string record_place(const std::filesystem::path& file, std::int64_t number) {
  return is_lines(file) ? line_place(file, number) : fmt::format("{}[{}]", file.string(), number);
}

std::int64_t for_each_json_line(std::string_view text, const std::filesystem::path& file,
                                const std::function<void(JsonRecord& record, std::int64_t number)>& visit,
                                const LeaveOutCutLine& leave_out, std::int64_t first) {
  std::int64_t number = first;
  for (; !text.empty(); ++number) {
    const auto [line, whole] = take_line(text);
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    JsonRecord record = JsonRecord::parse(line.begin(), line.end(), nullptr, false);
    // The parser stops at NUL and would lose the rest.
    const bool is_json = !record.is_discarded() && line.find('\0') == std::string_view::npos;
    const bool is_cut = !is_json && !whole.ends_with('\n');
    if (is_cut && leave_out && leave_out(line, line_place(file, number))) break;
    check_input(is_json, "{}: not valid JSON; each line of a .jsonl file is one JSON object", line_place(file, number));
    visit(record, number);
  }
  return number;
}

void for_each_json_record(const std::filesystem::path& file, std::string_view what,
                          const std::function<void(const JsonRecord& record, std::int64_t number)>& visit,
                          const LeaveOutCutLine& leave_out) {
  const std::string extension = lower_extension(without_compression(file));
  check(extension == ".jsonl" || extension == ".json",
        "{}: {} are read from .jsonl or .json files, which may be compressed (.gz, .zst); write one object a "
        "line and give the file such a name",
        file.string(), what);
  const FileText contents(file);
  check_is_json(file, contents.text());
  if (is_lines(file)) {
    for_each_json_line(contents.text(), file, visit, leave_out);
    return;
  }
  const JsonRecord array = parse_array(contents.text(), file);
  for (std::size_t i = 0; i < array.size(); ++i) visit(array[i], static_cast<std::int64_t>(i));
}

std::optional<JsonRecord> first_record(const std::filesystem::path& file) {
  std::optional<JsonRecord> first;
  if (is_lines(file)) {
    const FileText contents(file);
    std::string_view rest = contents.text(), line;
    while (!rest.empty() && line.find_first_not_of(" \t\r") == std::string_view::npos) line = take_line(rest).first;
    for_each_json_line(line, file, [&](JsonRecord& record, std::int64_t) { first = std::move(record); });
  } else if (lower_extension(without_compression(file)) == ".json") {
    const FileText contents(file);
    JsonRecord array = parse_array(contents.text(), file);
    if (!array.empty()) first = std::move(array[0]);
  }
  return first;
}

}  // namespace kiln
