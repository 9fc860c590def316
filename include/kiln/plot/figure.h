// What a plot shows, whatever it is drawn with: curves over steps, labelled points, and the words around them.
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

/// noise: single measurements that scatter, drawn faintly, and left out where there is room for little;
/// curve: a line; markers: a bold line through few measurements, each marked.
enum class Stroke { noise, curve, markers };

struct Series {
  std::string name;  // series of one colour belong together
  std::vector<Point> points;
  Stroke stroke = Stroke::curve;
  int color = 0;          // index of a palette of kColors, taken modulo it
  std::string kind = {};  // what it shows whatever its colour, for the legend of a figure with labels
};
inline constexpr int kColors = 6;  // from the seventh on they are used again, and an SVG dashes the lines

/// A point that is marked, with its text where that is not empty.
struct Note {
  Point at;
  std::string text;
  int color = 0;
};

/// What a colour stands for, beside the end of its curve.
struct Label {
  Point at;
  std::string name;
  std::string detail;
  int color = 0;
};

struct Figure {
  std::string title;
  std::string subtitle;
  std::string x_label;  // with the unit
  std::string y_label;
  std::vector<Series> series;  // later ones are drawn over earlier ones; points are finite, x does not fall
  std::vector<Note> notes;
  bool x_is_count = true;          // whether what goes across is whole
  std::vector<Label> labels = {};  // where there are none, the legend tells the colours
};

/// An entry of the legend.
struct Key {
  std::string text;
  Stroke stroke;
  std::optional<int> color;  // none where the labels tell the colours
};

/// One for each series, or in a figure with labels for each stroke.
std::vector<Key> legend_of(const Figure& figure);

/// Whether there is no point to draw.
bool is_empty(const Figure& figure);

/// The axes that show all points; 0 to 1 where there are none.
Axis x_axis(const Figure& figure, int wanted_ticks);
Axis y_axis(const Figure& figure, int wanted_ticks);

/// At most two points for each of `columns` stripes of equal width, the lowest and the highest in the order in which
/// they came, so that no spike is lost; all of them where they are few anyway.
std::vector<Point> thinned(const std::vector<Point>& points, int columns);

/// Each point's average with those before and after it, whose weights fall exponentially, by 1/window from one to the
/// next, and are divided by their sum: no lag, and no pull to zero at the ends. Among the first points, where curves
/// are steep, the window is a tenth of the points so far. window >= 1; 1 changes nothing.
std::vector<Point> smoothed(const std::vector<Point>& points, double window);

/// The running average of each point and those before it, in which the past has `weight` (in [0, 1)) and the point the
/// rest, divided by the sum of the weights so far, so that it does not start from zero. 0 changes nothing.
std::vector<Point> debiased_average(const std::vector<Point>& points, double weight);

}  // namespace kiln
