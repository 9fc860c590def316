// Uses stdio, so that output stays in order with other code's; checks every write for errors.
#include "cli/output.h"

#include "kiln/core/contention.h"
#include "kiln/core/error.h"
#include "kiln/core/file.h"
#include "kiln/core/shown_text.h"
#include "kiln/core/utf8.h"
#include "kiln/plot/picture.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>

namespace kiln::cli {

std::string read_stdin() {
  std::string bytes;
  struct stat status {};
  if (::fstat(STDIN_FILENO, &status) == 0 && S_ISREG(status.st_mode)) {
    bytes.reserve(static_cast<std::size_t>(status.st_size));  // a regular file: one allocation, no copies
  }
  std::array<char, 1 << 16> buffer;
  while (const std::size_t count = std::fread(buffer.data(), 1, buffer.size(), stdin))
    bytes.append(buffer.data(), count);
  check_io(std::ferror(stdin) == 0, "stdin: cannot be read: {}", std::strerror(errno));
  return bytes;
}

std::string read_prompt_argument(const std::string& prompt) {
  if (prompt != "-") return prompt;
  std::string text = read_stdin();
  for (const char end : {'\n', '\r'}) {  // of "\n" or "\r\n"
    if (!text.ends_with(end)) break;
    text.pop_back();
  }
  return text;
}

void write_stdout(std::string_view bytes) {
  const bool written = std::fwrite(bytes.data(), 1, bytes.size(), stdout) == bytes.size() && std::fflush(stdout) == 0;
  check_io(written || errno == EPIPE, "stdout: cannot be written: {}", std::strerror(errno));
}

std::string busy_note(const std::optional<double>& waited_share) {
  if (waited_share.value_or(0) < kBusyShare) return "";
  return fmt::format(
      "the machine was busy: kiln waited for a core {:.0f}% of the time, so speeds are too low and times too long; "
      "measure again when nothing else runs\n",
      100 * *waited_share);
}

Json busy_json(const std::optional<double>& waited_share) {
  return {{"waited_share", or_null(waited_share)}, {"busy", waited_share ? Json(*waited_share >= kBusyShare) : Json()}};
}

void write_json(const Json& json) { write_stdout(printable_lines(format_json(json))); }

void check_output_file(std::string_view option, const std::filesystem::path& file, std::string_view example) {
  const std::filesystem::path folder = file.has_parent_path() ? file.parent_path() : std::filesystem::path(".");
  check(is_folder(folder), "{} {}: there is no folder {}", option, file.string(), folder.string());
  check(!is_folder(file), "{} {}: is a folder; name the file, as in {}", option, file.string(), example);
  std::error_code error;  // the output replaces what is there, even /dev/null
  check(!path_exists(file) || std::filesystem::is_regular_file(file, error),
        "{} {}: is a pipe or a device; name a file, as in {}", option, file.string(), example);
}

void check_not_read(const std::filesystem::path& output, std::span<const std::filesystem::path> read) {
  const auto is_output = [&](const std::filesystem::path& file) {
    std::error_code none;  // files that do not exist are not the same
    return std::filesystem::equivalent(file, output, none);
  };
  check(std::ranges::none_of(read, is_output), "{}: is read here and would be replaced; name another file",
        output.string());
}

void check_picture_file(std::string_view option, const std::filesystem::path& file) {
  check_output_file(option, file, "picture.svg");
  check_picture_name(file);
}

void Table::heading(std::string_view text) {
  if (!lines_.empty()) lines_.push_back({""});
  lines_.push_back({printable(text)});
}

void Table::row(std::vector<std::string> cells) {
  for (std::string& cell : cells) cell = printable(cell);
  lines_.push_back(std::move(cells));
}

std::string Table::text() const {
  constexpr int kGap = 2;
  std::vector<int> widths;
  for (const auto& line : lines_) {
    if (line.size() == 1) continue;
    widths.resize(std::max(widths.size(), line.size()));
    for (std::size_t i = 0; i < line.size(); ++i) widths[i] = std::max(widths[i], display_columns(line[i]));
  }
  std::string text;
  for (const auto& line : lines_) {
    text += line.size() == 1 ? line[0] : "  " + padded_right(line[0], widths[0]);
    for (std::size_t i = 1; i < line.size(); ++i) text += padded_left(line[i], widths[i] + kGap);
    text.erase(text.find_last_not_of(' ') + 1);
    text += '\n';
  }
  return text;
}

std::string in_quotes(std::string_view bytes) {
  if (bytes.empty()) return R"("")";
  std::string text;
  while (!bytes.empty()) {
    const std::size_t end = utf8_valid_until(bytes);
    if (end > 0) text += printable(Json(bytes.substr(0, end)).dump());
    bytes.remove_prefix(end);
    if (bytes.empty()) break;
    text += fmt::format("<0x{:02X}>", static_cast<unsigned char>(bytes.front()));
    bytes.remove_prefix(1);
  }
  return text;
}

}  // namespace kiln::cli
