// Draws with Bresenham's lines on a canvas of Unicode braille patterns, which are bitmaps of 2 by 4 dots.
#include "kiln/plot/braille_plot.h"

#include "kiln/core/shown_text.h"
#include "kiln/core/utf8.h"

#include <fmt/format.h>

#include "plot/label_layout.h"
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <optional>
#include <string_view>
#include <utility>

namespace kiln {
namespace {

constexpr int kFewestColumns = 30;
constexpr int kDotsAcross = 2;  // per character
constexpr int kDotsDown = 4;
constexpr char32_t kNoDots = 0x2800;
constexpr std::uint8_t kDotBits[kDotsDown][kDotsAcross] = {{0x01, 0x08}, {0x02, 0x10}, {0x04, 0x20}, {0x40, 0x80}};
constexpr std::string_view kMarker = "•";
constexpr std::string_view kStar = "★";
constexpr int kLabelColumns = 2;  // right of the curves, for the labels' letters
// The ANSI colours nearest to the SVG's.
constexpr std::array<int, kColors> kAnsiColors{94, 33, 32, 95, 93, 96};

/// Returns the letter for the label with this index.
std::string letter_of(std::size_t index) {
  constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
  return std::string(1, kLetters[index % kLetters.size()]);
}

/// Returns the figure without noise whose colour also has another curve.
Figure without_noise(Figure figure) {
  const std::vector<Series> all = figure.series;
  std::erase_if(figure.series, [&](const Series& series) {
    return series.stroke == Stroke::noise && std::ranges::any_of(all, [&](const Series& other) {
             return other.color == series.color && other.stroke != Stroke::noise;
           });
  });
  return figure;
}

/// Returns the text in a series' colour.
std::string painted(std::string_view text, std::optional<int> color) {
  if (!color) return std::string(text);
  return fmt::format("\033[{}m{}\033[0m", kAnsiColors[static_cast<std::size_t>(*color % kColors)], text);
}

/// A grid of characters, each with dots or a glyph, and the colour of what was drawn last.
class Canvas {
 public:
  Canvas(int columns, int rows)
      : columns_(columns), rows_(rows), cells_(static_cast<std::size_t>(columns) * static_cast<std::size_t>(rows)) {}

  int right() const { return columns_ * kDotsAcross - 1; }  // the rightmost dot; the leftmost is 0
  int bottom() const { return rows_ * kDotsDown - 1; }      // the lowest dot; the topmost is 0

  void dot(int x, int y, int color) {
    Cell& at = cell(x / kDotsAcross, y / kDotsDown);
    at.dots = static_cast<std::uint8_t>(at.dots | kDotBits[y % kDotsDown][x % kDotsAcross]);
    at.color = color;
  }

  void line(int x, int y, int to_x, int to_y, int color) {
    const int dx = std::abs(to_x - x);
    const int dy = -std::abs(to_y - y);
    for (int error = dx + dy;;) {
      dot(x, y, color);
      if (x == to_x && y == to_y) return;
      const int twice = 2 * error;
      if (twice >= dy) error += dy, x += x < to_x ? 1 : -1;
      if (twice <= dx) error += dx, y += y < to_y ? 1 : -1;
    }
  }

  void glyph(int x, int y, std::string glyph, int color) {
    Cell& at = cell(x / kDotsAcross, y / kDotsDown);
    at.glyph = std::move(glyph);
    at.color = color;
  }

  /// Returns a row of characters, without trailing empty ones.
  std::string row(int index, bool color) const {
    std::string text;
    std::string gap;
    for (int column = 0; column < columns_; ++column) {
      const Cell& at = cells_[place(column, index)];
      if (at.dots == 0 && at.glyph.empty()) {
        gap += ' ';
        continue;
      }
      text += gap + painted(at.glyph.empty() ? utf8_encode(kNoDots + at.dots) : at.glyph,
                            color ? std::optional(at.color) : std::nullopt);
      gap.clear();
    }
    return text;
  }

 private:
  struct Cell {
    std::uint8_t dots = 0;
    int color = 0;
    std::string glyph;
  };

  Cell& cell(int column, int row) { return cells_[place(column, row)]; }
  std::size_t place(int column, int row) const {
    return static_cast<std::size_t>(row) * static_cast<std::size_t>(columns_) + static_cast<std::size_t>(column);
  }

  int columns_;
  int rows_;
  std::vector<Cell> cells_;
};

class BraillePlot {
 public:
  BraillePlot(const Figure& figure, const BrailleOptions& options)
      : figure_(without_noise(figure)),
        color_(options.color),
        width_(std::max(options.width, kFewestColumns)),
        rows_(std::max(options.rows, 2)),
        x_(x_axis(figure, std::max(2, width_ / 16))),
        y_(y_axis(figure, std::max(2, rows_ / 3))),
        gutter_(gutter_of(y_)),
        canvas_(width_ - gutter_ - 1, rows_) {}

  std::string draw() {
    for (const Series& series : figure_.series) draw_series(series);
    for (const Note& note : figure_.notes) canvas_.glyph(x(note.at.x), y(note.at.y), std::string(kStar), note.color);
    draw_labels();
    add(printable(figure_.title) + (figure_.subtitle.empty() ? "" : " (" + printable(figure_.subtitle) + ")"));
    add(fmt::format("{} by {}{}", figure_.y_label, figure_.x_label, y_.logarithmic ? ", log scale" : ""));
    draw_rows();
    draw_x_axis();
    draw_legend();
    return std::move(out_);
  }

 private:
  static int gutter_of(const Axis& axis) {
    int width = 0;
    for (const Tick& tick : axis.ticks) width = std::max(width, display_columns(tick.label));
    return width + 1;
  }

  // Rounds ties down, even if the last bits of a value differ.
  static int round(double value) { return static_cast<int>(std::lround(value - 1e-6)); }
  int last_dot() const { return canvas_.right() - (figure_.labels.empty() ? 0 : kLabelColumns * kDotsAcross); }
  int x(double value) const { return round(x_.share(value) * last_dot()); }
  int y(double value) const { return round((1 - y_.share(value)) * canvas_.bottom()); }

  void add(const std::string& line) { out_ += shortened(line, width_) + "\n"; }

  void draw_series(const Series& series) {
    const std::vector<Point>& points = series.points;
    for (std::size_t i = 0; i < points.size(); ++i) {
      const Point& from = points[i == 0 ? 0 : i - 1];
      canvas_.line(x(from.x), y(from.y), x(points[i].x), y(points[i].y), series.color);
    }
    if (series.stroke != Stroke::markers && points.size() > 1) return;
    for (const Point& point : points) canvas_.glyph(x(point.x), y(point.y), std::string(kMarker), series.color);
  }

  /// Draws each label's letter right of its curve's end; letters of one column get different rows.
  void draw_labels() {
    std::map<int, std::vector<std::size_t>> ends;  // by column, which is as wide as a letter and a gap
    for (std::size_t i = 0; i < figure_.labels.size(); ++i) {
      ends[x(figure_.labels[i].at.x) / kDotsAcross / kLabelColumns].push_back(i);
    }
    for (const auto& [column, labels] : ends) {
      std::vector<double> wanted;
      for (const std::size_t i : labels) wanted.push_back((1 - y_.share(figure_.labels[i].at.y)) * (rows_ - 1));
      const std::vector<double> rows = spread(wanted, 1, 0, rows_ - 1);
      for (std::size_t i = 0; i < labels.size(); ++i) {
        const int letter = std::min((column + 1) * kLabelColumns, canvas_.right() / kDotsAcross);
        canvas_.glyph(letter * kDotsAcross, static_cast<int>(std::lround(rows[i] - 1e-6)) * kDotsDown,
                      letter_of(labels[i]), figure_.labels[labels[i]].color);
      }
    }
  }

  void draw_rows() {
    for (int row = 0; row < rows_; ++row) {
      const auto tick =
          std::find_if(y_.ticks.begin(), y_.ticks.end(), [&](const Tick& t) { return y(t.value) / kDotsDown == row; });
      const bool marked = tick != y_.ticks.end();
      out_ += fmt::format("{:>{}}{}{}\n", marked ? tick->label + " " : "", gutter_, marked ? "┤" : "│",
                          canvas_.row(row, color_));
    }
  }

  /// Draws the axis, and below it those tick labels that fit, each under its tick.
  void draw_x_axis() {
    std::string axis = std::string(static_cast<std::size_t>(gutter_), ' ') + "└";
    std::string labels;
    int drawn = 0;
    for (const Tick& tick : x_.ticks) {
      const int column = x(tick.value) / kDotsAcross;
      for (; drawn < column; ++drawn) axis += "─";
      axis += "┬", ++drawn;
      const int length = display_columns(tick.label);
      const int begin = std::clamp(gutter_ + 1 + column - length / 2, 0, width_ - length);
      if (!labels.empty() && begin < std::ssize(labels) + 2) continue;
      labels.resize(static_cast<std::size_t>(begin), ' ');
      labels += tick.label;
    }
    for (; drawn <= canvas_.right() / kDotsAcross; ++drawn) axis += "─";
    out_ += axis + "\n";
    add(labels);
  }

  std::string in_color(std::string_view text, std::optional<int> color) const {
    return painted(text, color_ ? color : std::nullopt);
  }

  void draw_legend() {
    draw_label_lines();
    std::string line;
    int length = 0;
    const auto entry = [&](std::string_view sign, const std::string& name, std::optional<int> color) {
      if (name.empty()) return;
      const std::string text = shortened(printable(name), width_ - 3);
      const int needed = 3 + display_columns(text);
      if (length > 0 && length + 2 + needed > width_) {
        out_ += line + "\n";
        line.clear();
        length = 0;
      }
      length += needed + (length > 0 ? 2 : 0);
      line += fmt::format("{}{} {}", line.empty() ? "" : "  ", in_color(sign, color), text);
    };
    for (const Key& key : legend_of(figure_)) entry(key.stroke == Stroke::markers ? "─•" : "──", key.text, key.color);
    for (const Note& note : figure_.notes) entry(kStar, note.text, note.color);
    if (!line.empty()) out_ += line + "\n";
  }

  /// Writes a line for each label: its letter, its name, and its detail in an aligned column.
  void draw_label_lines() {
    int detail = 0;
    std::vector<std::string> names;
    for (const Label& label : figure_.labels) {
      names.push_back(printable(label.name));
      detail = std::max(detail, display_columns(label.detail));
    }
    constexpr int kLeast = 8;
    names = told_apart(std::move(names), std::max(kLeast, width_ - 2 - (detail > 0 ? detail + 4 : 0)));
    int widest = 0;
    for (const std::string& name : names) widest = std::max(widest, display_columns(name));
    for (std::size_t i = 0; i < names.size(); ++i) {
      const Label& label = figure_.labels[i];
      const std::string more = label.detail.empty() ? "" : fmt::format("  {} {}", kStar, label.detail);
      const std::string text = shortened(padded_right(names[i], more.empty() ? 0 : widest) + more, width_ - 2);
      out_ += fmt::format("{} {}\n", in_color(letter_of(i), label.color), text);
    }
  }

  const Figure figure_;
  bool color_;
  int width_;
  int rows_;
  Axis x_;
  Axis y_;
  int gutter_;  // characters left of the vertical axis
  Canvas canvas_;
  std::string out_;
};

}  // namespace

std::string to_braille(const Figure& figure, const BrailleOptions& options) {
  return BraillePlot(figure, options).draw();
}

}  // namespace kiln
