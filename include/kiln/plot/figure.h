// Describes what a plot shows, independent of how it is drawn: curves over steps, labelled points, titles.
#pragma once

#include "kiln/plot/axis.h"

#include <optional>
#include <string>
#include <vector>

namespace kiln {

struct Point {
  double x;
  double y;
  friend bool operator==(const Point&, const Point&) = default;
};

/// noise: scattered single measurements, drawn faintly, and omitted in small plots;
/// curve: a line;
/// markers: a bold line through few measurements, each marked.
enum class Stroke { noise, curve, markers };

struct Series {
  std::string name;  // series of the same colour belong together
  std::vector<Point> points;
  Stroke stroke = Stroke::curve;
  int color = 0;          // index into a palette of kColors, modulo kColors
  std::string kind = {};  // what it shows regardless of colour, for the legend of a figure with labels
};
inline constexpr int kColors = 6;  // later series reuse them; an SVG dashes the lines of the 7th to 12th

/// A marked point, with a text unless that is empty.
struct Note {
  Point at;
  std::string text;
  int color = 0;
};

/// Names a colour beside the end of its curve.
struct Label {
  Point at;
  std::string name;
  std::string detail;
  int color = 0;
};

struct Figure {
  std::string title;
  std::string subtitle;
  std::string x_label;  // including the unit
  std::string y_label;
  std::vector<Series> series;  // later series are drawn over earlier ones; points must be finite, x must not fall
  std::vector<Note> notes;
  bool x_is_count = true;          // whether x is a whole number
  std::vector<Label> labels = {};  // if empty, the legend explains the colours
};

/// An entry of the legend.
struct Key {
  std::string text;
  Stroke stroke;
  std::optional<int> color;  // nullopt if labels explain the colours
};

/// Returns an entry for each series, or for each stroke if the figure has labels.
std::vector<Key> legend_of(const Figure& figure);

/// Returns true if there is no point to draw.
bool is_empty(const Figure& figure);

/// Return axes that include all points; of an empty figure, around 0 to 1.
Axis x_axis(const Figure& figure, int wanted_ticks);
Axis y_axis(const Figure& figure, int wanted_ticks);

/// Splits the x range into `columns` stripes of equal width and keeps the lowest and highest point of each, in their
/// order, so that no spike is lost. Returns all points if they are at most 2 * columns.
std::vector<Point> thinned(const std::vector<Point>& points, int columns);

/// Averages each point with those before and after it. Weights fall exponentially, by a factor of 1 - 1/window per
/// point, and are divided by their sum, so that the curve neither lags nor is pulled to zero at its ends. Early points,
/// where curves are steep, use a smaller window: a tenth of the points so far. Requires window >= 1; 1 changes nothing.
std::vector<Point> smoothed(const std::vector<Point>& points, double window);

/// Returns the exponential moving average: average = weight * average + (1 - weight) * point, with weight in [0, 1).
/// Divides by the sum of the weights so far, so that it does not start from zero. Weight 0 changes nothing.
std::vector<Point> debiased_average(const std::vector<Point>& points, double weight);

}  // namespace kiln
