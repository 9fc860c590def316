// Reads lines as kiln writes them without building JSON values; other lines by the JSON library.
#include "serve/metric_columns.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

namespace kiln {
namespace {

constexpr double kGap = std::numeric_limits<double>::quiet_NaN();
constexpr std::size_t kMostColumns = 500;  // a run has some tens
constexpr std::size_t kMostRows = std::numeric_limits<std::uint32_t>::max();

/// Reads a flat object of numbers and null, member by member.
class FlatObject {
 public:
  explicit FlatObject(std::string_view text) : at_(text.data()), end_(text.data() + text.size()) {}

  bool begins() { return takes('{'); }
  bool ends() { return takes('}') && (pass_space(), at_ == end_); }
  bool takes(char c) {
    pass_space();
    if (at_ == end_ || *at_ != c) return false;
    ++at_;
    return true;
  }

  /// Reads a key without escapes and its colon.
  bool key(std::string_view& key) {
    if (!takes('"')) return false;
    const char* begin = at_;
    while (at_ != end_ && *at_ != '"' && *at_ != '\\') ++at_;
    if (at_ == end_ || *at_ != '"') return false;
    key = {begin, at_};
    ++at_;
    return takes(':');
  }

  bool value(double& value) {
    pass_space();
    constexpr std::string_view kNull = "null";
    if (std::string_view(at_, end_).starts_with(kNull)) {
      at_ += kNull.size();
      value = kGap;
      return true;
    }
    const char* digit = at_ != end_ && *at_ == '-' ? at_ + 1 : at_;
    if (digit == end_ || *digit < '0' || *digit > '9') return false;
    const auto [rest, error] = std::from_chars(at_, end_, value);
    at_ = rest;
    return error == std::errc();
  }

 private:
  void pass_space() {
    while (at_ != end_ && (*at_ == ' ' || *at_ == '\t' || *at_ == '\r')) ++at_;
  }

  const char* at_;
  const char* end_;
};

/// Returns a gap for what is not finite as a float.
float to_float(double value) {
  const bool is_float = std::abs(value) <= std::numeric_limits<float>::max();
  return is_float ? static_cast<float>(value) : std::numeric_limits<float>::quiet_NaN();
}

}  // namespace

bool is_of_evaluations(std::string_view key) {
  const auto* metric = std::ranges::find(kMetrics, key, &Metric::key);
  return metric != kMetrics.end() &&
         (metric->best != Metric::Best::none || std::string_view(metric->tag).starts_with("validation/"));
}

MetricColumn::MetricColumn(std::string key, std::size_t rows) : key_(std::move(key)) {
  is_sparse_ = is_of_evaluations(key_);
  if (!is_sparse_) values_.assign(rows, to_float(kGap));
}

std::size_t MetricColumn::first_from(std::size_t row) const {
  if (!is_sparse_) return std::min(row, values_.size());
  return static_cast<std::size_t>(std::ranges::lower_bound(rows_, row) - rows_.begin());
}

std::optional<float> MetricColumn::last() const {
  const auto last = std::find_if(values_.rbegin(), values_.rend(), [](float value) { return !std::isnan(value); });
  return last == values_.rend() ? std::nullopt : std::optional(*last);
}

void MetricColumn::set(std::size_t row, float value) {
  if (is_sparse_) {
    if (std::isnan(value)) return;
    if (!rows_.empty() && rows_.back() == row) return;  // a key that the line has twice
    rows_.push_back(static_cast<std::uint32_t>(row));
    values_.push_back(value);
  } else if (values_.size() == row) {
    values_.push_back(value);
  }
}

void MetricColumn::end_row(std::size_t rows) {
  if (!is_sparse_ && values_.size() < rows) values_.resize(rows, to_float(kGap));
}

void MetricColumn::cut(std::size_t rows) {
  const std::size_t kept = first_from(rows);
  values_.resize(kept);
  if (is_sparse_) rows_.resize(kept);
}

bool MetricColumns::add(std::string_view line) { return (read_members(line) || read_any_json(line)) && add_members(); }

const MetricColumn* MetricColumns::find(std::string_view key) const {
  const auto found = std::ranges::find(columns_, key, &MetricColumn::key);
  return found == columns_.end() ? nullptr : &*found;
}

std::size_t MetricColumns::bytes() const {
  std::size_t bytes = 0;
  for (const std::vector<double>& axis : axes_) bytes += axis.capacity() * sizeof(double);
  for (const MetricColumn& column : columns_) bytes += column.bytes();
  return bytes;
}

/// Reads a line in the form that MetricsWriter gives it. Returns false for any other.
bool MetricColumns::read_members(std::string_view line) {
  members_.clear();
  FlatObject object(line);
  if (!object.begins()) return false;
  Member member{};
  do {
    if (!object.key(member.key) || !object.value(member.value)) return false;
    members_.push_back(member);
  } while (object.takes(','));
  return object.ends();
}

/// Reads any line that is a JSON object.
bool MetricColumns::read_any_json(std::string_view line) {
  const Json json = Json::parse(line, nullptr, false);
  if (!json.is_object()) return false;
  members_.clear();
  keys_.clear();
  keys_.reserve(json.size());  // members_ names what lies in it
  for (const auto& [key, value] : json.items()) {
    if (!value.is_number() && !value.is_null()) continue;
    keys_.push_back(key);
    members_.push_back({keys_.back(), value.is_null() ? kGap : value.get<double>()});
  }
  return true;
}

bool MetricColumns::add_members() {
  std::array<double, kRunAxes.size()> x;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const auto found = std::ranges::find(members_, kRunAxes[i], &Member::key);
    x[i] = found == members_.end() ? kGap : found->value;
  }
  if (!(x[0] >= 0) || !std::isfinite(x[0])) return false;
  const auto from = std::ranges::lower_bound(axes_[0], x[0]);
  cut(static_cast<std::size_t>(from - axes_[0].begin()));
  const std::size_t row = rows();
  if (row == kMostRows) return false;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double least = row == 0 ? 0 : axes_[i].back();
    axes_[i].push_back(x[i] >= least && std::isfinite(x[i]) ? x[i] : least);
  }
  places_.resize(members_.size(), columns_.size());
  for (std::size_t place = 0; place < members_.size(); ++place) {
    const auto& [key, value] = members_[place];
    if (std::ranges::find(kRunAxes, key) != kRunAxes.end()) continue;
    const float kept = to_float(value);
    if (MetricColumn* column = column_of(key, place)) {
      column->set(row, kept);
    } else if (!std::isnan(kept) && columns_.size() < kMostColumns) {
      places_[place] = columns_.size();
      columns_.emplace_back(std::string(key), row).set(row, kept);
    }
  }
  for (MetricColumn& column : columns_) column.end_row(row + 1);
  return true;
}

void MetricColumns::cut(std::size_t rows) {
  if (rows == this->rows()) return;
  for (std::vector<double>& axis : axes_) axis.resize(rows);
  for (MetricColumn& column : columns_) column.cut(rows);
}

/// Returns the column of a member. Lines have the same keys at the same places, so it looks there first.
MetricColumn* MetricColumns::column_of(std::string_view key, std::size_t place) {
  if (places_[place] < columns_.size() && columns_[places_[place]].key() == key) return &columns_[places_[place]];
  const auto found = std::ranges::find(columns_, key, &MetricColumn::key);
  if (found == columns_.end()) return nullptr;
  places_[place] = static_cast<std::size_t>(found - columns_.begin());
  return &*found;
}

}  // namespace kiln
