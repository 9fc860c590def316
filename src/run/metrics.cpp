// Converts rows to lines and back.
#include "kiln/run/metrics.h"

#include "kiln/core/error.h"
#include "kiln/core/file.h"
#include "kiln/core/report.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cassert>
#include <cmath>
#include <string>
#include <string_view>

namespace kiln {
namespace {

constexpr std::string_view kRewards = "rewards/";  // before the name of a reward
constexpr double kMicroseconds = 1e6;              // per second

std::string to_line(MetricsRow row) {
  row.seconds = std::round(row.seconds * kMicroseconds) / kMicroseconds;
  Json json = to_json(row);
  for (const Metric& metric : kMetrics) {
    if (metric.of_some && !(row.*metric.value)) json.erase(std::string(metric.key));
  }
  for (const NamedMean& reward : row.rewards) json[std::string(kRewards) + reward.name] = reward.mean;
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

/// Moves the means of single rewards from a line to the row.
void take_rewards(Json& json, MetricsRow& row) {
  if (!json.is_object()) return;
  std::vector<std::string> taken;
  for (const auto& [key, value] : json.items()) {
    const bool is_known = std::ranges::find(kMetricKeys, key) != kMetricKeys.end();
    if (is_known || !key.starts_with(kRewards) || !value.is_number()) continue;
    row.rewards.push_back({key.substr(kRewards.size()), value.get<double>()});
    taken.push_back(key);
  }
  for (const std::string& key : taken) json.erase(key);
}

MetricsRow parse_row(std::string_view line, const std::string& source) {
  MetricsRow row;
  Problems problems;
  Json json = parse_json(line, source, problems, ExitCode::bad_input);
  take_rewards(json, row);
  from_json(json, row, problems);
  problems.throw_if_any(source, ExitCode::bad_input);
  return row;
}

/// Calls visit(number, line) for each complete line; numbers start at 1.
template <class Visit>
void for_each_line(std::string_view text, Visit&& visit) {
  int number = 0;
  for (std::size_t end = 0; (end = text.find('\n')) != std::string_view::npos; text.remove_prefix(end + 1)) {
    visit(++number, text.substr(0, end));
  }
}

std::string source_of(const std::filesystem::path& path, int number) {
  return fmt::format("{}:{}", path.string(), number);
}

/// Returns the complete lines of a file that are rows up to `step`; warns of lines that are not rows.
std::string rows_up_to(const std::filesystem::path& path, std::int64_t step) {
  std::string kept;
  for_each_line(read_file(path), [&](int number, std::string_view line) {
    try {
      if (parse_row(line, source_of(path, number)).step > step) return;
      kept.append(line).push_back('\n');
    } catch (const Error& error) {
      warn("{}: the line is dropped", error.what());
    }
  });
  return kept;
}

}  // namespace

void MetricsWriter::append(const MetricsRow& row) {
  kept_.push_back(to_line(row));
  write_kept();
}

void MetricsWriter::sync() {
  write_kept();
  lines_.sync();
}

void MetricsWriter::replace(const MetricsRow& row) {
  write_file_atomically(path_, rows_up_to(path_, row.step - 1) + to_line(row) + '\n');
  lines_ = LineAppender(path_);
}

void MetricsWriter::write_kept() {
  for (; !kept_.empty(); kept_.pop_front()) lines_.append(kept_.front());
}

MetricsLines scan_metrics(const std::filesystem::path& path) {
  MetricsLines lines;
  if (!path_exists(path)) return lines;
  const std::string text = read_file(path);
  lines.ends_within_a_line = !text.empty() && text.back() != '\n';
  for_each_line(text, [&](int number, std::string_view line) {
    try {
      lines.rows.push_back(parse_row(line, source_of(path, number)));
    } catch (const Error& error) {
      lines.problems.emplace_back(error.what());
    }
  });
  return lines;
}

const Metric& metric_of(std::string_view key) {
  const auto* found = std::ranges::find(kMetrics, key, &Metric::key);
  assert(found != kMetrics.end());
  return *found;
}

std::vector<MetricsRow> read_metrics(const std::filesystem::path& path) {
  std::vector<MetricsRow> rows;
  if (!path_exists(path)) return rows;
  for_each_line(read_file(path),
                [&](int number, std::string_view line) { rows.push_back(parse_row(line, source_of(path, number))); });
  return rows;
}

void truncate_metrics(const std::filesystem::path& path, std::int64_t step) {
  if (!path_exists(path)) return;
  const std::string kept = rows_up_to(path, step);
  if (kept != read_file(path)) write_file_atomically(path, kept);
}

}  // namespace kiln
