// Tests plots: ticks, thinning and smoothing by their values, the SVG by its features, the braille by every character.
#include "kiln/core/format.h"
#include "kiln/core/shown_text.h"
#include "kiln/plot/braille_plot.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "plot/svg_plot.h"
#include <algorithm>
#include <cmath>
#include <regex>

namespace kiln {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

std::vector<std::string> labels(const Axis& axis) {
  std::vector<std::string> result;
  for (const Tick& tick : axis.ticks) result.push_back(tick.label);
  return result;
}

std::size_t count(std::string_view text, std::string_view part) {
  std::size_t found = 0;
  for (std::size_t at = 0; (at = text.find(part, at)) != std::string_view::npos; at += part.size()) ++found;
  return found;
}

/// Returns a figure with one unnamed series, from (0, 0) up to (last, last).
Figure line_to(int last, Stroke stroke = Stroke::curve) {
  Figure figure{"a line", "", "step", "value", {{"line", {}, stroke}}, {}};
  for (int i = 0; i <= last; ++i) figure.series[0].points.push_back({double(i), double(i)});
  return figure;
}

// ---- axes ----

TEST(Axis, TicksAreRoundNumbers) {
  EXPECT_THAT(labels(count_axis(0, 2000, 5)), ElementsAre("0", "500", "1,000", "1,500", "2,000"));
  EXPECT_THAT(labels(value_axis(1.4, 4.2, 5)), ElementsAre("1.5", "2.0", "2.5", "3.0", "3.5", "4.0"));
  EXPECT_THAT(labels(value_axis(-0.3, 0.3, 6)), ElementsAre("-0.3", "-0.2", "-0.1", "0.0", "0.1", "0.2", "0.3"));
  EXPECT_THAT(labels(value_axis(0.5, 9.5, 2)), ElementsAre("5"));
}

TEST(Axis, StepsAreWholeAndStartAtZeroWhereTheyBeginNearIt) {
  EXPECT_THAT(labels(count_axis(0, 3, 8)), ElementsAre("0", "1", "2", "3"));
  EXPECT_EQ(count_axis(10, 2000, 5).low, 0);
  EXPECT_EQ(count_axis(1000, 2000, 5).low, 1000);
  EXPECT_EQ(count_axis(10, 2000, 5).high, 2000);
}

TEST(Axis, LargeStepsAreLabelledInMillions) {
  EXPECT_THAT(labels(count_axis(0, 2e7, 4)), ElementsAre("0M", "5M", "10M", "15M", "20M"));
}

TEST(Axis, ValuesOverMoreThanTwoDecadesAreLogarithmic) {
  EXPECT_FALSE(value_axis(0.1, 9, 5).logarithmic);
  EXPECT_FALSE(value_axis(0, 1000, 5).logarithmic);
  const Axis axis = value_axis(0.01, 1e4, 5);
  EXPECT_TRUE(axis.logarithmic);
  EXPECT_THAT(labels(axis), ElementsAre("0.01", "0.1", "1", "10", "100", "1,000", "10,000"));
  EXPECT_NEAR(axis.share(10), 0.5, 1e-9);
  EXPECT_EQ(axis.share(-1), 0);
  EXPECT_THAT(labels(value_axis(1, 200, 8)), ElementsAre("1", "2", "5", "10", "20", "50", "100", "200"));
}

TEST(Axis, ConstantAndExtremeValuesStillHaveAWidth) {
  for (const double value : {0.0, 2.5, -1.0, 1e-300, 1e15, 1e300, 1e308, -1e308}) {
    for (const double spread : {0.0, std::abs(value) * 1e-15}) {
      const Axis axis = value_axis(value, value + spread, 5);
      EXPECT_LT(axis.low, axis.high) << value;
      EXPECT_LE(axis.ticks.size(), 12u) << value;
      EXPECT_TRUE(std::isfinite(axis.share(value))) << value;
    }
  }
  const Axis everything = value_axis(-1e308, 1e308, 5);
  EXPECT_TRUE(std::isfinite(everything.high - everything.low));
  EXPECT_LE(value_axis(1e-300, 1e300, 5).ticks.size(), 12u);
  const Axis decades = value_axis(1e-200, 1e200, 5);
  EXPECT_THAT(labels(decades), ElementsAre("1e-172", "1e-86", "1", "1e+86", "1e+172"));
  EXPECT_NEAR(decades.share(1), 0.5, 1e-9);
}

TEST(Axis, CountsForPeople) {
  EXPECT_EQ(grouped(1003854), "1,003,854");
  EXPECT_EQ(grouped(-1234.5, 2), "-1,234.50");
  EXPECT_EQ(grouped(999), "999");
  EXPECT_EQ(short_count(111540), "111,540");
  EXPECT_EQ(short_count(1536000), "1.54M");
  EXPECT_EQ(short_count(38'400'000'000), "38.4B");
}

// ---- points ----

TEST(Thinning, KeepsFewPointsAsTheyAre) {
  const std::vector<Point> points = line_to(9).series[0].points;
  EXPECT_EQ(thinned(points, 5), points);
}

TEST(Thinning, KeepsEverySpikeOfManyPoints) {
  std::vector<Point> points;
  for (int i = 0; i < 100000; ++i) points.push_back({double(i), std::sin(i * 0.1)});
  points[12345].y = 50;
  points[67890].y = -50;
  const std::vector<Point> kept = thinned(points, 1000);
  EXPECT_LE(kept.size(), 2000u);
  EXPECT_GE(kept.size(), 1900u);
  EXPECT_THAT(kept, ::testing::Contains(points[12345]));
  EXPECT_THAT(kept, ::testing::Contains(points[67890]));
  EXPECT_TRUE(std::is_sorted(kept.begin(), kept.end(), [](const Point& a, const Point& b) { return a.x < b.x; }));
}

TEST(Smoothing, KeepsConstantsAndIsUnchangedByAWindowOfOne) {
  const std::vector<Point> flat(50, Point{1, 2.5});
  for (const Point& point : smoothed(flat, 10)) EXPECT_DOUBLE_EQ(point.y, 2.5);
  const std::vector<Point> line = line_to(20).series[0].points;
  EXPECT_EQ(smoothed(line, 1), line);
  EXPECT_TRUE(smoothed({}, 5).empty());
}

TEST(Smoothing, HasNoLag) {
  const std::vector<Point> line = line_to(1000).series[0].points;
  EXPECT_NEAR(smoothed(line, 10)[500].y, 500, 1e-6);
}

TEST(Smoothing, TakesTheNoiseAway) {
  std::vector<Point> points;
  for (int i = 0; i < 1000; ++i) points.push_back({double(i), i % 2 == 0 ? 1.0 : 3.0});
  EXPECT_NEAR(smoothed(points, 20)[500].y, 2, 0.05);
}

TEST(DebiasedAverage, IsTheWeightedMeanOfAPointAndThoseBeforeIt) {
  const std::vector<Point> points{{1, 4}, {2, 0}, {3, 8}};
  const std::vector<Point> smooth = debiased_average(points, 0.5);
  EXPECT_DOUBLE_EQ(smooth[0].y, 4);  // not pulled to zero
  EXPECT_DOUBLE_EQ(smooth[1].y, (0.25 * 4 + 0.5 * 0) / 0.75);
  EXPECT_DOUBLE_EQ(smooth[2].y, (0.125 * 4 + 0.25 * 0 + 0.5 * 8) / 0.875);
  EXPECT_EQ(smooth[2].x, 3);
  EXPECT_EQ(debiased_average(points, 0), points);
  EXPECT_TRUE(debiased_average({}, 0.9).empty());
}

// ---- SVG ----

TEST(Svg, OfASmallFigureToTheLetter) {
  Figure figure{"a < b & \"c\"", "5 steps", "step", "loss", {}, {}};
  figure.series.push_back({"training", {{0, 2}, {5, 1}}, Stroke::curve, 0});
  figure.series.push_back({"validation", {{5, 1.5}}, Stroke::markers, 1});
  figure.notes.push_back({{5, 1.5}, "best", 1});
  const std::string svg = to_svg(figure);
  EXPECT_THAT(svg,
              ::testing::StartsWith(
                  "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 960 540\" width=\"960\" height=\"540\""));
  EXPECT_THAT(svg, ::testing::EndsWith("</svg>\n"));
  EXPECT_THAT(svg, HasSubstr("<title>a &lt; b &amp; &quot;c&quot;</title>\n"
                             "<rect width=\"960\" height=\"540\" fill=\"#fff\"/>\n"));
  EXPECT_THAT(svg,
              HasSubstr("<polyline fill=\"none\" stroke=\"#0072b2\" stroke-width=\"1.8\" stroke-linejoin=\"round\" "
                        "stroke-linecap=\"round\" points=\"76,93 924,467\"/>\n"));
  EXPECT_EQ(count(svg, "<polyline"), 1u);  // a single point gives a marker, not a line
  EXPECT_THAT(svg, HasSubstr("<circle cx=\"924\" cy=\"280\" r=\"3.2\" fill=\"#d55e00\" stroke=\"#fff\"/>\n"));
  EXPECT_THAT(svg, HasSubstr("text-anchor=\"end\" font-weight=\"600\" fill=\"#d55e00\""));
  EXPECT_THAT(svg, HasSubstr(">best</text>"));
  EXPECT_THAT(svg, HasSubstr("<text x=\"76\" y=\"502\" text-anchor=\"middle\">0</text>\n"));
  EXPECT_THAT(svg, HasSubstr("text-anchor=\"end\">1.2</text>"));
  EXPECT_THAT(svg, HasSubstr(">step</text>"));
  EXPECT_THAT(svg, HasSubstr(">loss</text>"));
  EXPECT_THAT(svg, Not(HasSubstr("nan")));
}

TEST(Svg, OfManyPointsStaysSmall) {
  EXPECT_LT(to_svg(line_to(1'000'000)).size(), 40'000u);
  EXPECT_EQ(count(to_svg(line_to(30, Stroke::markers)), "<circle"), 32u);  // including one in the legend
  EXPECT_EQ(count(to_svg(line_to(300, Stroke::markers)), "<circle"), 1u);
}

TEST(Svg, OfNothingHasAxes) {
  const std::string svg = to_svg({"empty", "nothing measured yet", "step", "loss (nats per token)", {}, {}});
  EXPECT_THAT(svg, HasSubstr(">nothing measured yet</text>"));
  EXPECT_THAT(svg, HasSubstr(">loss (nats per token)</text>"));
}

TEST(Svg, OfManySeriesBreaksTheLegend) {
  Figure figure = line_to(5);
  for (int i = 0; i < 8; ++i) figure.series.push_back({"a name of about thirty letters", {{0, 1}}, Stroke::curve, i});
  const std::string svg = to_svg(figure);
  EXPECT_THAT(svg, HasSubstr("y=\"58\">a name"));
  EXPECT_THAT(svg, HasSubstr("y=\"78\">a name"));
}

TEST(Svg, GrowsWithItsLegend) {
  Figure figure = line_to(5);
  for (int i = 0; i < 80; ++i) figure.series.push_back({"a name of about thirty letters", {{0, 1}}, Stroke::curve, i});
  const std::string svg = to_svg(figure);
  EXPECT_THAT(svg, ::testing::ContainsRegex("height=\"1[0-9][0-9][0-9]\""));
  std::smatch axes;
  ASSERT_TRUE(std::regex_search(svg, axes, std::regex("M76 ([0-9.]+)V([0-9.]+)H")));
  EXPECT_EQ(std::stod(axes[2]) - std::stod(axes[1]), 404) << "as high as with a legend of one line";
}

/// Returns `count` labelled curves that end at nearly the same place.
Figure sweep(int count, const std::string& name) {
  Figure figure = line_to(5);
  figure.series.clear();
  for (int i = 0; i < count; ++i) {
    const Point end{100, 2 + 0.001 * i};
    figure.series.push_back({"", {{0, 9}, end}, Stroke::curve, i, "loss"});
    figure.labels.push_back({end, name + std::to_string(i), "best", i});
  }
  return figure;
}

/// Returns the y coordinates of the texts that match.
std::vector<double> heights(const std::string& svg, const std::string& text) {
  std::vector<double> result;
  const std::regex element("y=\"([0-9.]+)\"[^>]*>" + text + "</text>");
  for (std::sregex_iterator at(svg.begin(), svg.end(), element), end; at != end; ++at) {
    result.push_back(std::stod((*at)[1]));
  }
  return result;
}

TEST(Svg, LabelsAtTheEndsOfCurvesAvoidEachOther) {
  for (const int count : {2, 8, 20}) {
    const std::string svg = to_svg(sweep(count, "run"));
    std::vector<double> names = heights(svg, "run[0-9]+"), details = heights(svg, "best");
    ASSERT_EQ(names.size(), static_cast<std::size_t>(count));
    names.insert(names.end(), details.begin(), details.end());
    std::ranges::sort(names);
    for (std::size_t i = 1; i < names.size(); ++i) EXPECT_GE(names[i] - names[i - 1], 15) << count;
    std::smatch height;
    ASSERT_TRUE(std::regex_search(svg, height, std::regex("height=\"([0-9.]+)\"")));
    EXPECT_LT(names.back(), std::stod(height[1]) - 40) << "above the steps";
    EXPECT_GT(names.front(), 70) << "below the legend";
  }
}

TEST(Svg, LongLabelsKeepWhatTellsThemApart) {
  const std::string svg = to_svg(sweep(3, "a-rather-long-run-name-with-a-learning-rate-of-1e-4-and-a-width-of-"));
  for (const char* name : {">…0</text>", ">…1</text>", ">…2</text>"}) EXPECT_THAT(svg, HasSubstr(name));
}

TEST(Svg, MakesRoomForWideTickLabelsBesideTheAxisTitle) {
  for (const double size : {1e5, 1e-5}) {
    Figure figure = line_to(5);
    for (Point& point : figure.series[0].points) point.y = size * (10 + point.y);
    const std::string svg = to_svg(figure);
    std::smatch axis;
    ASSERT_TRUE(std::regex_search(svg, axis, std::regex("M([0-9.]+) [0-9.]+V[0-9.]+H[0-9.]+\" stroke=\"#888\"")));
    // The title's baseline is at 21; a label of nine digits and commas is about 70 pixels wide and ends 9 before the
    // axis.
    EXPECT_GT(std::stod(axis[1]), 21 + 70 + 9 + 4);
  }
}

// ---- braille ----

TEST(Braille, OfAStraightLineToTheLetter) {
  EXPECT_EQ(to_braille(line_to(10), {.width = 30, .rows = 6}),
            "a line\n"
            "value by step\n"
            "10 ┤                      ⢀⣀⠤⠒\n"
            "   │                 ⢀⣀⠤⠒⠊⠁\n"
            " 5 ┤            ⢀⡠⠤⠒⠊⠁\n"
            "   │        ⢀⡠⠔⠊⠁\n"
            "   │   ⢀⡠⠤⠒⠉⠁\n"
            " 0 ┤⠤⠒⠉⠁\n"
            "   └┬───────────┬────────────┬\n"
            "    0           5           10\n"
            "── line\n");
}

TEST(Braille, KeepsToItsWidth) {
  Figure figure = line_to(100, Stroke::markers);
  figure.title = std::string(300, 'x');
  figure.series[0].name = "né" + std::string(300, 'y');
  for (const int width : {1, 30, 41, 80, 200}) {
    const std::string plot = to_braille(figure, {.width = width});
    for (std::size_t begin = 0, end; (end = plot.find('\n', begin)) != std::string::npos; begin = end + 1) {
      EXPECT_LE(display_columns(plot.substr(begin, end - begin)), std::max(width, 30));
    }
    EXPECT_EQ(count(plot, "\n"), 21u);  // title, labels, 16 rows, axis, steps, legend
  }
}

TEST(Braille, ColorsOnlyWhereAsked) {
  const Figure figure = line_to(10);
  EXPECT_THAT(to_braille(figure, {.color = true}), HasSubstr("\033[94m──\033[0m line\n"));
  EXPECT_THAT(to_braille(figure, {}), Not(HasSubstr("\033")));
}

TEST(Braille, LeavesNoiseOutWhereThereIsACurveAndMarksTheBest) {
  Figure figure = line_to(200, Stroke::noise);
  figure.series[0].name = "noisy";
  figure.subtitle = "200 steps";
  figure.series.push_back({"smooth", {{0, 0}, {200, 200}}, Stroke::curve, 0});
  figure.series.push_back({"validation", {{100, 90}, {200, 150}}, Stroke::markers, 1});
  figure.notes.push_back({{100, 90}, "best 90 at step 100", 1});
  const std::string plot = to_braille(figure, {});
  EXPECT_THAT(plot, ::testing::StartsWith("a line (200 steps)\nvalue by step\n"));
  EXPECT_THAT(plot, ::testing::EndsWith("── smooth  ─• validation  ★ best 90 at step 100\n"));
  EXPECT_EQ(count(plot, "★"), 2u);
}

TEST(Braille, SeveralCurvesEndInLettersThatTheLegendExplains) {
  const std::string plot = to_braille(sweep(3, "run"), {.width = 40, .rows = 6});
  for (const char* line : {"a run0  ★ best\n", "b run1  ★ best\n", "c run2  ★ best\n"})
    EXPECT_THAT(plot, HasSubstr(line));
  std::vector<std::string> letters;
  for (std::size_t begin = 0, end; (end = plot.find('\n', begin)) != std::string::npos; begin = end + 1) {
    const std::string line = plot.substr(begin, end - begin);
    EXPECT_LE(display_columns(line), 40);
    if (line.find("│") == std::string::npos && line.find("┤") == std::string::npos) continue;
    const char last = line.back();
    if (last >= 'a' && last <= 'c') letters.emplace_back(1, last);
  }
  EXPECT_THAT(letters, ElementsAre("c", "b", "a")) << plot;
}

TEST(Braille, OfLongNamesKeepsToItsWidth) {
  const Figure figure = sweep(8, "a-rather-long-run-name-with-a-learning-rate-of-1e-4-and-a-width-of-");
  for (const int width : {30, 40, 80, 200}) {
    const std::string plot = to_braille(figure, {.width = width});
    for (std::size_t begin = 0, end; (end = plot.find('\n', begin)) != std::string::npos; begin = end + 1) {
      EXPECT_LE(display_columns(plot.substr(begin, end - begin)), width) << plot;
    }
    EXPECT_THAT(plot, HasSubstr("7"));
  }
}

TEST(Braille, OfNothingOneAndConstantPoints) {
  const auto drawn = [](std::vector<Point> points) {
    return to_braille({"run", "", "step", "value", {{"line", std::move(points)}}, {}}, {});
  };
  EXPECT_EQ(count(drawn({}), "•"), 0u);
  EXPECT_EQ(count(drawn({{1, 4}}), "•"), 1u);
  const std::string flat = drawn({{1, 2.5}, {2, 2.5}});
  EXPECT_EQ(count(flat, "2.5 ┤⣀"), 1u) << flat;
}

}  // namespace
}  // namespace kiln
