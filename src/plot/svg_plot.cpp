// Draws from top to bottom: title and legend, grid and axes, series, notes, labels.
#include "plot/svg_plot.h"

#include "kiln/core/shown_text.h"

#include <fmt/format.h>

#include "plot/label_layout.h"
#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <string_view>

namespace kiln {
namespace {

constexpr double kPlotWidth = 848;  // of the area within the axes
constexpr double kPlotHeight = 404;
constexpr double kLeast = 76;        // minimum width left of the plot's area
constexpr double kRightMargin = 36;  // of a plot without labels
constexpr double kBelow = 58;        // height below the plot's area
constexpr double kLegendTop = 58;    // baseline of the legend's first line
constexpr double kLegendLine = 20;
constexpr double kSwatch = 26;
constexpr double kCharacter = 7.7, kBoldCharacter = 9.1;  // widths at 13 pixels, in the widest of the fonts
constexpr double kDigit = 8.3;                            // width in the widest of the fonts
constexpr double kLabelGap = 30;  // between the plot's area and the labels; lines lead through it from curves to labels
constexpr double kLabelLine = 17;
constexpr int kLongestLabel = 36;  // columns
constexpr int kMostMarkers = 60;   // more would hide their line
constexpr int kTicks = 8;
constexpr int kLongestTitle = 60;  // columns

// Okabe and Ito's colours, which colour-blind readers can distinguish.
constexpr std::array<std::string_view, kColors> kPalette{"#0072b2", "#d55e00", "#009e73",
                                                         "#cc79a7", "#e69f00", "#56b4e9"};

constexpr std::string_view kNoColor = "#666";

std::string_view color_of(std::optional<int> index) {
  return index ? kPalette[static_cast<std::size_t>(*index % kColors)] : kNoColor;
}

/// Formats a coordinate to a tenth of a pixel.
std::string px(double value) { return fmt::format("{}", std::round(value * 10) / 10 + 0.0); }

std::string escaped(const std::string& text) {
  std::string result;
  for (const char c : printable(text)) {
    switch (c) {
      case '&':
        result += "&amp;";
        break;
      case '<':
        result += "&lt;";
        break;
      case '>':
        result += "&gt;";
        break;
      case '"':
        result += "&quot;";
        break;
      default:
        result += c;
    }
  }
  return result;
}

/// Returns the width of text in the widest of the fonts, about.
double width_of(const std::string& text, double character = kCharacter) {
  return character * display_columns(printable(text));
}

/// Returns the width needed for the tick labels and, left of them, the axis's title.
double left_of(const Axis& axis) {
  double widest = 0;
  for (const Tick& tick : axis.ticks) {
    double width = 0;
    for (const char c : tick.label) width += c == ',' || c == '.' ? kDigit / 2 : kDigit;
    widest = std::max(widest, width);
  }
  return std::max(kLeast, std::ceil(widest) + 47);
}

class SvgPlot {
 public:
  explicit SvgPlot(const Figure& figure)
      : figure_(figure),
        x_(x_axis(figure, kTicks)),
        y_(y_axis(figure, kTicks)),
        left_(left_of(y_)),
        right_(left_ + kPlotWidth),
        keys_(legend_of(figure)) {
    place_legend();
    place_labels();
  }

  std::string draw() {
    open();
    heading();
    grid();
    for (const Series& series : figure_.series) draw_series(series);
    for (const Note& note : figure_.notes) draw_note(note);
    draw_labels();
    add("</svg>");
    return std::move(out_);
  }

 private:
  struct Entry {
    double x, y;
  };

  /// Appends a line.
  template <class... Args>
  void add(fmt::format_string<Args...> format, Args&&... args) {
    fmt::format_to(std::back_inserter(out_), format, std::forward<Args>(args)...);
    out_ += '\n';
  }

  /// Places legend entries from left to right, on as many lines as needed. The plot starts below and keeps its height.
  void place_legend() {
    Entry next{left_, kLegendTop};
    for (const Key& key : keys_) {
      const double width = key.text.empty() ? 0 : kSwatch + 8 + width_of(key.text);
      if (next.x + width > right_ && next.x > left_) next = {left_, next.y + kLegendLine};
      entries_.push_back(next);
      if (width > 0) next.x += width + 22;
    }
    top_ = next.y + 20;
  }

  /// Places labels to the right of the plot, which becomes taller if they are many.
  void place_labels() {
    bottom_ = top_ + kPlotHeight;
    width_ = right_ + kRightMargin;
    if (!figure_.labels.empty()) {
      std::vector<double> wanted;
      std::vector<std::string> names;
      double row = kLabelLine, text = 0;
      for (const Label& label : figure_.labels) {
        if (!label.detail.empty()) row = 2 * kLabelLine + 2;
        names.push_back(printable(label.name));
      }
      bottom_ = std::max(bottom_, top_ + row * static_cast<double>(figure_.labels.size()));
      label_names_ = told_apart(std::move(names), kLongestLabel);
      for (std::size_t i = 0; i < label_names_.size(); ++i) {
        const Label& label = figure_.labels[i];
        wanted.push_back(y(label.at.y));
        text = std::max({text, width_of(label_names_[i], kBoldCharacter), width_of(label.detail)});
      }
      label_middles_ = spread(wanted, row, top_ + row / 2, bottom_ - row / 2);
      width_ = right_ + kLabelGap + kSwatch + 8 + std::ceil(text) + 14;
    }
    height_ = bottom_ + kBelow;
  }

  double x(double value) const { return left_ + x_.share(value) * (right_ - left_); }
  double y(double value) const { return bottom_ - y_.share(value) * (bottom_ - top_); }

  void open() {
    add(R"(<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {0} {1}" width="{0}" height="{1}" role="img" )"
        R"(font-family="system-ui, -apple-system, 'Segoe UI', 'Helvetica Neue', Arial, 'DejaVu Sans', sans-serif" )"
        R"(font-size="13" fill="#444">)",
        width_, height_);
    add("<title>{}</title>", escaped(figure_.title));
    add(R"(<rect width="{}" height="{}" fill="#fff"/>)", width_, height_);
  }

  void heading() {
    add(R"(<text x="{}" y="31" font-size="18" font-weight="600" fill="#111">{}</text>)", px(left_),
        escaped(shortened(figure_.title, kLongestTitle)));
    add(R"(<text x="{}" y="31" text-anchor="end" fill="#777">{}</text>)", px(right_), escaped(figure_.subtitle));
    for (std::size_t i = 0; i < keys_.size(); ++i) {
      if (keys_[i].text.empty()) continue;
      swatch(entries_[i].x, entries_[i].y - 4.5, keys_[i].stroke, keys_[i].color);
      add(R"(<text x="{}" y="{}">{}</text>)", px(entries_[i].x + kSwatch + 8), px(entries_[i].y),
          escaped(keys_[i].text));
    }
  }

  /// Draws a short piece of line, for the legend and the labels.
  void swatch(double at_x, double middle, Stroke stroke, std::optional<int> color) {
    add(R"(<line x1="{}" y1="{}" x2="{}" y2="{}" {}/>)", px(at_x), px(middle), px(at_x + kSwatch), px(middle),
        pen(stroke, color));
    if (stroke == Stroke::markers) marker(at_x + kSwatch / 2, middle, color);
  }

  void grid() {
    std::string lines;
    for (const Tick& tick : y_.ticks) lines += fmt::format("M{} {}H{}", px(left_), px(y(tick.value)), px(right_));
    for (const Tick& tick : x_.ticks) lines += fmt::format("M{} {}V{}", px(x(tick.value)), px(top_), px(bottom_));
    add(R"(<path d="{}" stroke="#e6e6e6" fill="none"/>)", lines);
    add(R"(<path d="M{0} {1}V{2}H{3}" stroke="#888" fill="none"/>)", px(left_), px(top_), px(bottom_), px(right_));
    for (const Tick& tick : y_.ticks) {
      add(R"(<text x="{}" y="{}" text-anchor="end">{}</text>)", px(left_ - 9), px(y(tick.value) + 4.5), tick.label);
    }
    for (const Tick& tick : x_.ticks) {
      add(R"(<text x="{}" y="{}" text-anchor="middle">{}</text>)", px(x(tick.value)), px(bottom_ + 20), tick.label);
    }
    add(R"(<text x="{}" y="{}" text-anchor="middle">{}</text>)", px((left_ + right_) / 2), px(height_ - 15),
        escaped(figure_.x_label));
    add(R"x(<text transform="translate(21 {}) rotate(-90)" text-anchor="middle">{}{}</text>)x",
        px((top_ + bottom_) / 2), escaped(figure_.y_label), y_.logarithmic ? ", log scale" : "");
  }

  static std::string pen(Stroke stroke, std::optional<int> color) {
    const char* style = stroke == Stroke::noise   ? R"(stroke-width="1" stroke-opacity="0.4")"
                        : stroke == Stroke::curve ? R"(stroke-width="1.8")"
                                                  : R"(stroke-width="2.4")";
    const char* dashes = color && *color / kColors % 2 == 1 ? R"( stroke-dasharray="7 4")" : "";
    return fmt::format(R"(stroke="{}" {}{})", color_of(color), style, dashes);
  }

  void marker(double at_x, double at_y, std::optional<int> color) {
    add(R"(<circle cx="{}" cy="{}" r="3.2" fill="{}" stroke="#fff"/>)", px(at_x), px(at_y), color_of(color));
  }

  void draw_series(const Series& series) {
    const std::vector<Point> points = thinned(series.points, kSvgColumns);
    std::string path;
    for (const Point& point : points) {
      path += fmt::format("{}{},{}", path.empty() ? "" : " ", px(x(point.x)), px(y(point.y)));
    }
    if (points.size() > 1) {
      add(R"(<polyline fill="none" {} stroke-linejoin="round" stroke-linecap="round" points="{}"/>)",
          pen(series.stroke, series.color), path);
    }
    const bool few = std::ssize(points) <= kMostMarkers;
    if (points.size() == 1 || (series.stroke == Stroke::markers && few)) {
      for (const Point& point : points) marker(x(point.x), y(point.y), series.color);
    }
  }

  /// Draws a ring around the point and, if there is a text, a stem up to it.
  void draw_note(const Note& note) {
    constexpr double kRadius = 5.5;
    const double at_x = x(note.at.x);
    const double at_y = y(note.at.y);
    if (!note.text.empty()) write_note(note, at_x, at_y, kRadius);
    add(R"(<circle cx="{}" cy="{}" r="{}" fill="#fff" stroke="{}" stroke-width="2.4"/>)", px(at_x), px(at_y), kRadius,
        color_of(note.color));
  }

  /// Writes the text above the point (below if there is no room), and inwards near the sides.
  void write_note(const Note& note, double at_x, double at_y, double radius) {
    const double up = at_y - top_ > 62 ? 1 : -1;
    const double end = at_y - up * 40;
    const double share = x_.share(note.at.x);
    add(R"(<path d="M{} {}V{}" stroke="{}" stroke-opacity="0.6"/>)", px(at_x), px(at_y - up * radius), px(end),
        color_of(note.color));
    add(R"(<text x="{}" y="{}" text-anchor="{}" font-weight="600" fill="{}" stroke="#fff" stroke-width="4" )"
        R"(paint-order="stroke" stroke-linejoin="round">{}</text>)",
        px(share < 0.2 ? at_x + 6 : at_x), px(up > 0 ? end - 6 : end + 14),
        share < 0.2   ? "start"
        : share > 0.8 ? "end"
                      : "middle",
        color_of(note.color), escaped(note.text));
  }

  /// Draws each label at its place, and a faint line to it from the end of its curve.
  void draw_labels() {
    const double begin = right_ + kLabelGap;
    for (std::size_t i = 0; i < label_names_.size(); ++i) {
      const Label& label = figure_.labels[i];
      const double middle = label_middles_[i];
      const double line = label.detail.empty() ? middle : middle - kLabelLine / 2;
      add(R"(<path d="M{} {}L{} {}L{} {}" fill="none" stroke="{}" stroke-opacity="0.55" stroke-dasharray="2 3"/>)",
          px(x(label.at.x) + 5), px(y(label.at.y)), px(std::max(x(label.at.x) + 5, right_ + 4)), px(y(label.at.y)),
          px(begin - 3), px(line), color_of(label.color));
      swatch(begin, line, Stroke::curve, label.color);
      add(R"(<text x="{}" y="{}" font-weight="600" fill="#222">{}</text>)", px(begin + kSwatch + 8), px(line + 4.5),
          escaped(label_names_[i]));
      if (label.detail.empty()) continue;
      add(R"(<text x="{}" y="{}" font-size="12" fill="#666">{}</text>)", px(begin + kSwatch + 8),
          px(line + 4.5 + kLabelLine - 1), escaped(label.detail));
    }
  }

  const Figure& figure_;
  Axis x_;
  Axis y_;
  double left_, right_;          // of the plot's area
  double top_ = 0, bottom_ = 0;  // of the plot's area, below the legend
  double width_ = 0, height_ = 0;
  std::vector<Key> keys_;
  std::vector<Entry> entries_;  // where each key starts
  std::vector<std::string> label_names_;
  std::vector<double> label_middles_;
  std::string out_;
};

}  // namespace

std::string to_svg(const Figure& figure) { return SvgPlot(figure).draw(); }

}  // namespace kiln
