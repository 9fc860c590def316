// Parses line by line, so that one record at a time is in memory.
#include "data/json_lines.h"

#include "kiln/core/compressed_file.h"
#include "kiln/core/error.h"

namespace kiln {

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

void for_each_json_line(std::string_view text, const std::filesystem::path& file,
                        const std::function<void(JsonRecord& record, std::int64_t number)>& visit) {
  for (std::int64_t number = 1; !text.empty(); ++number) {
    const std::string_view line = take_line(text).first;
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    JsonRecord record = JsonRecord::parse(line.begin(), line.end(), nullptr, false);
    // The parser stops at NUL and would lose the rest.
    check_input(!record.is_discarded() && line.find('\0') == std::string_view::npos,
                "{}: not valid JSON; each line of a .jsonl file is one JSON object", line_place(file, number));
    visit(record, number);
  }
}

}  // namespace kiln
