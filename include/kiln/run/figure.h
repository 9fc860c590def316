// What a plot shows, whatever it is drawn with: curves over steps, labelled points, and the words around them.
#pragma once

#include "kiln/run/axis.h"

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
  std::string name;  // in the legend, which leaves it out where it is empty; series of one colour belong together
  std::vector<Point> points;
  Stroke stroke = Stroke::curve;
  int color = 0;  // index of a palette of kColors, taken modulo it
};
inline constexpr int kColors = 6;  // where they begin anew, an SVG dashes its lines

/// A point that is pointed out.
struct Note {
  Point at;
  std::string text;
  int color = 0;
};

struct Figure {
  std::string title;
  std::string subtitle;
  std::string x_label;  // with the unit
  std::string y_label;
  std::vector<Series> series;  // later ones are drawn over earlier ones; points are finite, x does not fall
  std::vector<Note> notes;
  bool x_is_count = true;  // whether what goes across is whole
};

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
