// A sample is an entry "TIME info: step N: sample", and the lines up to the next entry.
#include "serve/sample_log.h"

#include <charconv>
#include <optional>

namespace kiln {
namespace {

constexpr std::size_t kMostSamples = 200;
constexpr std::size_t kMostOfSample = std::size_t{64} << 10;
constexpr std::string_view kTimeForm = "0000-00-00 00:00:00 ";  // 0: any digit

/// Returns whether a line begins an entry of the log.
bool is_entry(std::string_view line) {
  if (line.size() < kTimeForm.size()) return false;
  for (std::size_t i = 0; i < kTimeForm.size(); ++i) {
    const bool is_digit = line[i] >= '0' && line[i] <= '9';
    if (kTimeForm[i] == '0' ? !is_digit : line[i] != kTimeForm[i]) return false;
  }
  return line.find(": ", kTimeForm.size()) != std::string_view::npos;
}

/// Returns the step of an entry that begins a sample.
std::optional<std::int64_t> step_of_sample(std::string_view line) {
  constexpr std::string_view kBefore = "info: step ", kAfter = ": sample";
  line.remove_prefix(kTimeForm.size());
  if (!line.starts_with(kBefore) || !line.ends_with(kAfter)) return std::nullopt;
  const char* begin = line.data() + kBefore.size();
  const char* end = line.data() + line.size() - kAfter.size();
  std::int64_t step = 0;
  const auto [rest, error] = std::from_chars(begin, end, step);
  return error == std::errc() && rest == end && begin != end ? std::optional(step) : std::nullopt;
}

}  // namespace

void SampleLog::add(std::string_view line) {
  if (is_entry(line)) {
    const std::optional<std::int64_t> step = step_of_sample(line);
    is_in_sample_ = step.has_value();
    blank_lines_ = 0;
    if (!step) return;
    while (!samples_.empty() && samples_.back().step >= *step) samples_.pop_back();
    samples_.push_back({*step, std::string(line.substr(0, kTimeForm.size() - 1)), ""});
    if (samples_.size() > kMostSamples) samples_.pop_front();
  } else if (is_in_sample_ && line.empty()) {
    ++blank_lines_;
  } else if (is_in_sample_) {
    std::string& text = samples_.back().text;
    if (text.size() + blank_lines_ + line.size() > kMostOfSample) {
      is_in_sample_ = false;  // the rest is dropped
      text += "\n…";
      return;
    }
    if (!text.empty()) text += '\n';
    text.append(blank_lines_, '\n');
    text += line;
    blank_lines_ = 0;
  }
}

}  // namespace kiln
