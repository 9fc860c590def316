// One pass from top to bottom: title and legend, grid and axes, series, notes.
#include "kiln/run/svg_plot.h"

#include "kiln/core/shown_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <string_view>

namespace kiln {
namespace {

constexpr double kWidth = 960;
constexpr double kHeight = 540;  // with a legend of one line
constexpr double kLeft = 76;     // of the plot's area
constexpr double kRight = kWidth - 36;
constexpr double kBelow = 58;      // the plot's area
constexpr double kLegendTop = 58;  // baseline of the legend's first line
constexpr double kLegendLine = 20;
constexpr double kSwatch = 26;
constexpr double kCharacter = 6.9;  // rough width of one, at 13 pixels
constexpr int kMostMarkers = 60;    // more would hide their line
constexpr int kTicks = 8;
constexpr int kLongestTitle = 60;  // characters

// Okabe and Ito's colours, told apart by colour-blind eyes too.
constexpr std::array<std::string_view, kColors> kPalette{"#0072b2", "#d55e00", "#009e73",
                                                         "#cc79a7", "#e69f00", "#56b4e9"};

std::string_view color_of(int index) { return kPalette[static_cast<std::size_t>(index % kColors)]; }

/// A coordinate, to a tenth of a pixel.
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

/// Of legend text, roughly.
double width_of(const std::string& text) { return kCharacter * display_columns(text); }

class SvgPlot {
 public:
  explicit SvgPlot(const Figure& figure)
      : figure_(figure), x_(x_axis(figure, kTicks)), y_(y_axis(figure, kTicks)), entries_(place_legend()) {}

  std::string draw() {
    open();
    heading();
    grid();
    for (const Series& series : figure_.series) draw_series(series);
    for (const Note& note : figure_.notes) draw_note(note);
    add("</svg>");
    return std::move(out_);
  }

 private:
  struct Entry {
    double x, y;
  };

  /// Adds a line.
  template <class... Args>
  void add(fmt::format_string<Args...> format, Args&&... args) {
    fmt::format_to(std::back_inserter(out_), format, std::forward<Args>(args)...);
    out_ += '\n';
  }

  /// Legend entries from left to right in as many lines as they need; the plot begins below, no smaller for them.
  std::vector<Entry> place_legend() {
    std::vector<Entry> entries;
    Entry next{kLeft, kLegendTop};
    for (const Series& series : figure_.series) {
      if (series.name.empty()) {
        entries.push_back(next);  // a place that nothing takes
        continue;
      }
      const double width = kSwatch + 8 + width_of(series.name);
      if (next.x + width > kRight && next.x > kLeft) next = {kLeft, next.y + kLegendLine};
      entries.push_back(next);
      next.x += width + 22;
    }
    top_ = next.y + 20;
    height_ = kHeight + next.y - kLegendTop;
    bottom_ = height_ - kBelow;
    return entries;
  }

  double x(double value) const { return kLeft + x_.share(value) * (kRight - kLeft); }
  double y(double value) const { return bottom_ - y_.share(value) * (bottom_ - top_); }

  void open() {
    add(R"(<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {0} {1}" width="{0}" height="{1}" role="img" )"
        R"(font-family="system-ui, -apple-system, 'Segoe UI', 'Helvetica Neue', Arial, 'DejaVu Sans', sans-serif" )"
        R"(font-size="13" fill="#444">)",
        kWidth, height_);
    add("<title>{}</title>", escaped(figure_.title));
    add(R"(<rect width="{}" height="{}" fill="#fff"/>)", kWidth, height_);
  }

  void heading() {
    add(R"(<text x="{}" y="31" font-size="18" font-weight="600" fill="#111">{}</text>)", px(kLeft),
        escaped(shortened(figure_.title, kLongestTitle)));
    add(R"(<text x="{}" y="31" text-anchor="end" fill="#777">{}</text>)", px(kRight), escaped(figure_.subtitle));
    for (std::size_t i = 0; i < entries_.size(); ++i) {
      const Series& series = figure_.series[i];
      if (series.name.empty()) continue;
      const Entry at = entries_[i];
      const double middle = at.y - 4.5;
      add(R"(<line x1="{}" y1="{}" x2="{}" y2="{}" {}/>)", px(at.x), px(middle), px(at.x + kSwatch), px(middle),
          pen(series));
      if (series.stroke == Stroke::markers) marker(at.x + kSwatch / 2, middle, series.color);
      add(R"(<text x="{}" y="{}">{}</text>)", px(at.x + kSwatch + 8), px(at.y), escaped(series.name));
    }
  }

  void grid() {
    std::string lines;
    for (const Tick& tick : y_.ticks) lines += fmt::format("M{} {}H{}", px(kLeft), px(y(tick.value)), px(kRight));
    for (const Tick& tick : x_.ticks) lines += fmt::format("M{} {}V{}", px(x(tick.value)), px(top_), px(bottom_));
    add(R"(<path d="{}" stroke="#e6e6e6" fill="none"/>)", lines);
    add(R"(<path d="M{0} {1}V{2}H{3}" stroke="#888" fill="none"/>)", px(kLeft), px(top_), px(bottom_), px(kRight));
    for (const Tick& tick : y_.ticks) {
      add(R"(<text x="{}" y="{}" text-anchor="end">{}</text>)", px(kLeft - 9), px(y(tick.value) + 4.5), tick.label);
    }
    for (const Tick& tick : x_.ticks) {
      add(R"(<text x="{}" y="{}" text-anchor="middle">{}</text>)", px(x(tick.value)), px(bottom_ + 20), tick.label);
    }
    add(R"(<text x="{}" y="{}" text-anchor="middle">{}</text>)", px((kLeft + kRight) / 2), px(height_ - 15),
        escaped(figure_.x_label));
    add(R"x(<text transform="translate(21 {}) rotate(-90)" text-anchor="middle">{}{}</text>)x",
        px((top_ + bottom_) / 2), escaped(figure_.y_label), y_.logarithmic ? ", log scale" : "");
  }

  static std::string pen(const Series& series) {
    const char* style = series.stroke == Stroke::noise   ? R"(stroke-width="1" stroke-opacity="0.4")"
                        : series.stroke == Stroke::curve ? R"(stroke-width="1.8")"
                                                         : R"(stroke-width="2.4")";
    const char* dashes = series.color / kColors % 2 == 1 ? R"( stroke-dasharray="7 4")" : "";
    return fmt::format(R"(stroke="{}" {}{})", color_of(series.color), style, dashes);
  }

  void marker(double at_x, double at_y, int color) {
    add(R"(<circle cx="{}" cy="{}" r="3.2" fill="{}" stroke="#fff"/>)", px(at_x), px(at_y), color_of(color));
  }

  void draw_series(const Series& series) {
    const std::vector<Point> points = thinned(series.points, kSvgColumns);
    std::string path;
    for (const Point& point : points) {
      path += fmt::format("{}{},{}", path.empty() ? "" : " ", px(x(point.x)), px(y(point.y)));
    }
    if (points.size() > 1) {
      add(R"(<polyline fill="none" {} stroke-linejoin="round" stroke-linecap="round" points="{}"/>)", pen(series),
          path);
    }
    const bool few = std::ssize(points) <= kMostMarkers;
    if (points.size() == 1 || (series.stroke == Stroke::markers && few)) {
      for (const Point& point : points) marker(x(point.x), y(point.y), series.color);
    }
  }

  /// A ring round the point, and the text above it (below, where there is no room) on a stem, turned inwards at the
  /// sides.
  void draw_note(const Note& note) {
    constexpr double kRadius = 5.5;
    const double at_x = x(note.at.x);
    const double at_y = y(note.at.y);
    const double up = at_y - top_ > 62 ? 1 : -1;
    const double end = at_y - up * 40;
    const double share = x_.share(note.at.x);
    add(R"(<path d="M{} {}V{}" stroke="{}" stroke-opacity="0.6"/>)", px(at_x), px(at_y - up * kRadius), px(end),
        color_of(note.color));
    add(R"(<circle cx="{}" cy="{}" r="{}" fill="#fff" stroke="{}" stroke-width="2.4"/>)", px(at_x), px(at_y), kRadius,
        color_of(note.color));
    add(R"(<text x="{}" y="{}" text-anchor="{}" font-weight="600" fill="{}" stroke="#fff" stroke-width="4" )"
        R"(paint-order="stroke" stroke-linejoin="round">{}</text>)",
        px(share < 0.2 ? at_x + 6 : at_x), px(up > 0 ? end - 6 : end + 14),
        share < 0.2   ? "start"
        : share > 0.8 ? "end"
                      : "middle",
        color_of(note.color), escaped(note.text));
  }

  const Figure& figure_;
  Axis x_;
  Axis y_;
  double top_ = 0, bottom_ = 0;  // of the plot's area, below the legend
  double height_ = 0;
  std::vector<Entry> entries_;
  std::string out_;
};

}  // namespace

std::string to_svg(const Figure& figure) { return SvgPlot(figure).draw(); }

}  // namespace kiln
