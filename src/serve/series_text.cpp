// Writes numbers by hand: the shortest text that means the same float.
#include "serve/series_text.h"

#include "kiln/core/utf8.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <string_view>

namespace kiln {
namespace {

/// Appends a number as JSON; null for a gap.
template <class T>
void append_number(std::string& text, T value) {
  if (std::isnan(value)) {
    text += "null";
  } else {
    fmt::format_to(std::back_inserter(text), "{}", value);
  }
}

template <class T>
void append_numbers(std::string& text, std::string_view name, const std::vector<T>& values) {
  fmt::format_to(std::back_inserter(text), ",\"{}\":[", name);
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (i > 0) text += ',';
    append_number(text, values[i]);
  }
  text += ']';
}

std::string json_text(std::string_view text) {
  return Json(std::string(text)).dump(-1, ' ', false, Json::error_handler_t::replace);
}

/// Appends a field of CSV. A spreadsheet would compute a text that begins like a formula, so an apostrophe goes first.
void append_field(std::string& text, std::string_view field) {
  const bool is_formula = !field.empty() && std::string_view("=+-@\t\r").find(field[0]) != std::string_view::npos;
  if (!is_formula && field.find_first_of("\",\r\n") == std::string_view::npos) {
    text += field;
    return;
  }
  text += is_formula ? "\"'" : "\"";
  for (const char c : field) {
    if (c == '"') text += '"';
    text += c;
  }
  text += '"';
}

/// Appends the rows of one run.
void append_rows(std::string& text, std::string_view name, const MetricColumns& columns, const SeriesRequest& request) {
  struct Cursor {
    const MetricColumn* column;
    std::size_t next;
  };
  std::string first;
  append_field(first, name);
  const std::span<const double> x = columns.axis(request.axis);
  auto row = static_cast<std::size_t>(std::ranges::lower_bound(x, request.range.from) - x.begin());
  std::vector<Cursor> cursors;
  for (const std::string& key : request.keys) {
    const MetricColumn* column = columns.find(key);
    cursors.push_back({column, column != nullptr ? column->first_from(row) : 0});
  }
  for (; row < columns.rows() && x[row] <= request.range.to; ++row) {
    std::string values;
    bool has_value = false;
    for (auto& [column, next] : cursors) {
      values += ',';
      if (column == nullptr || next == column->size() || column->row(next) != row) continue;
      const float value = column->value(next++);
      if (std::isnan(value)) continue;
      has_value = true;
      append_number(values, value);
    }
    if (!has_value) continue;
    fmt::format_to(std::back_inserter(text), "{},{},{},{}{}\r\n", first, columns.axis(RunAxis::step)[row],
                   columns.axis(RunAxis::tokens)[row], columns.axis(RunAxis::seconds)[row], values);
  }
}

}  // namespace

std::string series_json(RunCatalog& runs, const SeriesRequest& request) {
  std::string about, series;
  for (const std::string& name : request.runs) {
    const MetricColumns& columns = runs.columns(name);
    const std::string run = json_text(name);
    const std::span<const double> x = columns.axis(request.axis);
    fmt::format_to(std::back_inserter(about), "{}{{\"name\":{},\"rows\":{},\"range\":", about.empty() ? "" : ",", run,
                   columns.rows());
    about += x.empty() ? "null" : fmt::format("[{},{}]", x.front(), x.back());
    about += ",\"keys\":[";
    for (const MetricColumn& column : columns.columns()) {
      if (about.back() != '[') about += ',';
      about += json_text(column.key());
    }
    about += "]}";
    for (const std::string& key : request.keys) {
      const Series curve = series_of(columns, key, request.axis, request.range);
      if (curve.x.empty()) continue;
      if (!series.empty()) series += ',';
      fmt::format_to(std::back_inserter(series), "{{\"run\":{},\"key\":{}", run, json_text(key));
      append_numbers(series, "x", curve.x);
      append_numbers(series, "y", curve.y);
      append_numbers(series, "mean_x", curve.mean_x);
      append_numbers(series, "mean", curve.mean);
      series += '}';
    }
  }
  return fmt::format("{{\"runs\":[{}],\"series\":[{}]}}", about, series);
}

std::string series_csv(RunCatalog& runs, const SeriesRequest& request) {
  std::string text = "run,step,tokens,seconds";
  for (const std::string& key : request.keys) {
    text += ',';
    append_field(text, key);
  }
  text += "\r\n";
  for (const std::string& name : request.runs) append_rows(text, name, runs.columns(name), request);
  return text;
}

}  // namespace kiln
