// Keeps the rows of a metrics.jsonl as columns of numbers.
#pragma once

#include "kiln/run/metrics.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace kiln {

/// What a curve is drawn over. All three rise from row to row.
enum class RunAxis { step, tokens, seconds };
inline constexpr std::array<std::string_view, 3> kRunAxes{"step", "tokens", "seconds"};

/// Returns whether a metric is measured by evaluations: other rows have null in its place, which is no gap.
bool is_of_evaluations(std::string_view key);

/// The values of one key. Of a metric of evaluations, only the rows that have a value are kept; of another, every row,
/// and a NaN is a gap: not measured, or not finite.
class MetricColumn {
 public:
  MetricColumn(std::string key, std::size_t rows);

  const std::string& key() const { return key_; }
  std::size_t size() const { return values_.size(); }
  float value(std::size_t i) const { return values_[i]; }
  std::size_t row(std::size_t i) const { return is_sparse_ ? rows_[i] : i; }

  /// Returns the index of the first value that is of this row or a later one.
  std::size_t first_from(std::size_t row) const;

  /// Returns the last value that is no gap.
  std::optional<float> last() const;

  void set(std::size_t row, float value);  // of a row after all others
  void end_row(std::size_t rows);          // makes what was not set a gap
  void cut(std::size_t rows);              // drops the rows from this one on
  std::size_t bytes() const { return values_.capacity() * sizeof(float) + rows_.capacity() * sizeof(std::uint32_t); }

 private:
  std::string key_;
  bool is_sparse_;
  std::vector<float> values_;
  std::vector<std::uint32_t> rows_;  // of values_, if sparse
};

/// The rows of a run. A row whose step is not above those before it replaces them: a run was resumed from there.
class MetricColumns {
 public:
  /// Adds a line of the file. Returns false, and adds nothing, unless it is a JSON object with a step. Members that are
  /// neither numbers nor null are passed over.
  bool add(std::string_view line);
  void clear() { *this = MetricColumns(); }

  std::size_t rows() const { return axes_[0].size(); }
  std::span<const double> axis(RunAxis axis) const { return axes_[static_cast<std::size_t>(axis)]; }
  const std::vector<MetricColumn>& columns() const { return columns_; }
  const MetricColumn* find(std::string_view key) const;  // null if no row has a value

  /// Returns the memory taken.
  std::size_t bytes() const;

 private:
  struct Member {
    std::string_view key;
    double value;  // NaN for null
  };

  bool read_members(std::string_view line);
  bool read_any_json(std::string_view line);
  bool add_members();
  void cut(std::size_t rows);
  MetricColumn* column_of(std::string_view key, std::size_t place);

  std::array<std::vector<double>, kRunAxes.size()> axes_;
  std::vector<MetricColumn> columns_;
  std::vector<std::size_t> places_;  // the column of the member at each place of the last line
  std::vector<Member> members_;      // of the line that is added
  std::vector<std::string> keys_;    // that members_ names, where the line has them in another form
};

}  // namespace kiln
