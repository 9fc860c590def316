// Tests figures of all metrics, of one or several runs: axes, labels and smoothing.
#include "kiln/run/metric_figure.h"

#include "kiln/core/file.h"
#include "kiln/plot/picture.h"

#include <gmock/gmock.h>

#include "support/error_parts.h"
#include "support/scratch.h"
#include <cmath>
#include <limits>

namespace kiln {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::Scratch;

MetricsRow full_row(std::int64_t step, double loss) {
  MetricsRow r;
  r.step = step;
  r.tokens = 100 * step;
  r.seconds = 60.0 * static_cast<double>(step);
  r.loss = loss;
  r.learning_rate = 0.1 / static_cast<double>(step);
  r.grad_norm = 2 * loss;
  r.tokens_per_second = 1000 + loss;
  return r;
}

/// Returns rows of steps 1, 2, ... with falling losses and an evaluation every third step.
std::vector<MetricsRow> rows(int count) {
  std::vector<MetricsRow> all;
  for (int step = 1; step <= count; ++step) {
    all.push_back(full_row(step, 10.0 / step));
    if (step % 3 != 0) continue;
    all.back().validation_loss = 12.0 / step;
    all.back().bits_per_byte = 24.0 / step;
    all.back().accuracy = 1 - 1.0 / step;
  }
  return all;
}

std::string svg_of(const Figure& figure) { return to_picture(figure, "figure.svg"); }

std::vector<std::string> names(const Figure& figure) {
  std::vector<std::string> result;
  for (const Series& series : figure.series) result.push_back(series.name);
  return result;
}

TEST(MetricFigure, ShowsEachMetricWithItsUnit) {
  const auto only = [](std::string_view metric) {
    Figure figure = metric_figure({{"run", rows(4)}}, {.metric = metric});
    EXPECT_EQ(figure.series.size(), 1u);
    return figure;
  };
  const Figure rate = only("learning_rate");
  EXPECT_EQ(rate.y_label, "learning rate");
  EXPECT_EQ(rate.series[0].points[3], (Point{4, 0.1 / 4}));
  EXPECT_EQ(only("grad_norm").series[0].points[0], (Point{1, 20}));
  EXPECT_EQ(only("tokens_per_second").series[0].points[0], (Point{1, 1010}));
  const Figure validation = only("validation_loss");
  EXPECT_THAT(validation.series[0].points, ElementsAre(Point{3, 4}));
  EXPECT_EQ(validation.notes[0].text, "best 4.0000 at step 3");
  EXPECT_EQ(validation.y_label, "validation loss (nats per token)");
  const Figure bits = only("bits_per_byte"), accuracy = metric_figure({{"run", rows(6)}}, {.metric = "accuracy"});
  EXPECT_EQ(bits.notes[0].text, "best 8.0000 at step 3");
  EXPECT_EQ(bits.series[0].name, "bits per byte");
  EXPECT_EQ(accuracy.notes[0].text, "best 0.8333 at step 6");  // the highest
  EXPECT_EQ(metric_of("perplexity").best, Metric::Best::lowest);
  EXPECT_EQ(metric_of("loss").best, Metric::Best::none);
}

TEST(MetricFigure, GoesAcrossByTokensOrByTimeInAUnitThatSuits) {
  const auto figure = [](int count, PlotX x) { return metric_figure({{"run", rows(count)}}, {.x = x}); };
  EXPECT_EQ(figure(4, PlotX::tokens).x_label, "tokens trained on");
  EXPECT_EQ(figure(4, PlotX::tokens).series[0].points[3].x, 400);
  const Figure seconds = figure(5, PlotX::seconds);
  EXPECT_EQ(seconds.x_label, "time (s)");
  EXPECT_EQ(seconds.series[0].points[4].x, 300);
  const Figure minutes = figure(6, PlotX::seconds);
  EXPECT_EQ(minutes.x_label, "time (min)");
  EXPECT_EQ(minutes.series[0].points[5].x, 6);
  EXPECT_EQ(minutes.notes[0].at, (Point{6, 2}));
  EXPECT_EQ(minutes.notes[0].text, "best 2.0000 at step 6");
  EXPECT_EQ(figure(301, PlotX::seconds).x_label, "time (h)");
  EXPECT_EQ(figure(18001, PlotX::seconds).x_label, "time (days)");
}

TEST(MetricFigure, OfASecondHasTicksWithinIt) {
  std::vector<MetricsRow> brief = rows(2);
  for (MetricsRow& r : brief) r.seconds /= 400;
  const Axis axis = x_axis(metric_figure({{"run", brief}}, {.x = PlotX::seconds}), 4);
  EXPECT_EQ(axis.low, 0.15);
  ASSERT_GE(axis.ticks.size(), 3u);
  EXPECT_EQ(axis.ticks[0].label, "0.15");
}

TEST(MetricFigure, SeveralRunsHaveAColourEachAndTheirNames) {
  const Figure figure = metric_figure({{"a", rows(200)}, {"b", rows(4)}});
  EXPECT_EQ(figure.title, "2 runs");
  EXPECT_THAT(names(figure), ElementsAre("a: training loss", "a: training loss, smoothed", "a: validation loss",
                                         "b: training loss", "b: validation loss"));
  for (std::size_t i = 0; i < 5; ++i) EXPECT_EQ(figure.series[i].color, i < 3 ? 0 : 1) << i;
  ASSERT_EQ(figure.labels.size(), 2u);
  EXPECT_EQ(figure.labels[1].name, "b");
  EXPECT_EQ(figure.labels[1].detail, "best 4.0000 at step 3");
  EXPECT_EQ(figure.labels[1].at, (Point{3, 4})) << "where the curve ends";
  const std::string svg = svg_of(figure);
  EXPECT_THAT(svg, HasSubstr(">b</text>"));
  EXPECT_THAT(svg, HasSubstr(">best 4.0000 at step 3</text>"));
  for (const char* key : {">training loss</text>", ">training loss, smoothed</text>", ">validation loss</text>"}) {
    EXPECT_EQ(svg.find(key), svg.rfind(key)) << "the legend tells the strokes, once";
    EXPECT_THAT(svg, HasSubstr(key));
  }
}

TEST(MetricFigure, CountsTheRunsThatItDraws) {
  const Figure figure = metric_figure({{"a", rows(4)}, {"none", {}}, {"b", rows(4)}});
  EXPECT_EQ(figure.title, "2 runs");
  EXPECT_EQ(figure.labels.size(), 2u);
  EXPECT_EQ(figure.series.back().color, 1) << "no colour is used up";
  EXPECT_EQ(metric_figure({{"a", rows(4)}, {"none", {}}}).title, "a");
}

TEST(MetricFigure, WritesTheBestOfAnySizeInDigitsThatTellSomething) {
  const auto best = [](double loss) {
    MetricsRow r;
    r.step = 3;
    r.validation_loss = loss;
    return metric_figure({{"run", {r}}}).notes[0].text;
  };
  EXPECT_EQ(best(1.5), "best 1.5000 at step 3");
  EXPECT_EQ(best(399672.3731), "best 399,672 at step 3");
  EXPECT_EQ(best(2345.678), "best 2,345.7 at step 3");
  EXPECT_EQ(best(1.6071e-5), "best 1.607e-05 at step 3");
  EXPECT_EQ(best(0.0123456), "best 0.01235 at step 3");
  EXPECT_EQ(best(1e12), "best 1e+12 at step 3");
}

TEST(MetricFigure, ASeventhRunIsDashed) {
  std::vector<NamedRows> runs;
  for (const char* name : {"a", "b", "c", "d", "e", "f"}) runs.push_back({name, rows(2)});
  EXPECT_THAT(svg_of(metric_figure(runs)), Not(HasSubstr("dasharray=\"7 4\"")));
  runs.push_back({"g", rows(2)});
  EXPECT_THAT(svg_of(metric_figure(runs)),
              HasSubstr("stroke=\"#0072b2\" stroke-width=\"1.8\" stroke-dasharray=\"7 4\""));
}

TEST(MetricFigure, SmoothsAsAsked) {
  const std::vector<NamedRows> runs{{"run", rows(200)}};
  EXPECT_THAT(names(metric_figure(runs, {.metric = "grad_norm", .smoothing = 0})), ElementsAre("gradient norm"));
  const Figure figure = metric_figure({{"run", rows(3)}}, {.metric = "grad_norm", .smoothing = 0.5});
  ASSERT_THAT(names(figure), ElementsAre("gradient norm", "gradient norm, smoothed"));
  EXPECT_EQ(figure.series[0].stroke, Stroke::noise);
  EXPECT_THAT(names(metric_figure(runs, {.metric = "learning_rate"})), ElementsAre("learning rate"));
}

TEST(MetricFigure, OfNothingMeasuredSaysSo) {
  MetricsRow empty;
  empty.step = 1;
  EXPECT_EQ(metric_figure({{"run", {empty}}}, {.metric = "grad_norm"}).subtitle, "nothing measured yet");
  EXPECT_EQ(metric_figure({{"run", {}}}).subtitle, "no losses yet");
  EXPECT_EQ(metric_figure({{"a", {}}, {"b", {}}}).subtitle, "no losses yet");
}

// ---- the loss of a run ----

MetricsRow loss_row(std::int64_t step, std::optional<double> loss, std::optional<double> validation = {}) {
  MetricsRow r;
  r.step = step;
  r.tokens = 768 * step;
  r.loss = loss;
  r.validation_loss = validation;
  return r;
}

TEST(LossFigure, ShowsTrainingSmoothedAndValidationWithItsBest) {
  std::vector<MetricsRow> rows;
  for (int i = 1; i <= 200; ++i) rows.push_back(loss_row(10 * i, 4.0 / i));
  rows[49].validation_loss = 2.0;
  rows[99].validation_loss = 1.5;
  rows[149].validation_loss = 1.75;
  const Figure figure = metric_figure({{"tales", rows}});
  ASSERT_EQ(figure.series.size(), 3u);
  EXPECT_EQ(figure.series[0].name, "training loss");
  EXPECT_EQ(figure.series[0].stroke, Stroke::noise);
  EXPECT_EQ(figure.series[0].points.size(), 200u);
  EXPECT_EQ(figure.series[1].name, "training loss, smoothed");
  EXPECT_EQ(figure.series[2].name, "validation loss");
  EXPECT_THAT(figure.series[2].points, ElementsAre(Point{500, 2}, Point{1000, 1.5}, Point{1500, 1.75}));
  ASSERT_EQ(figure.notes.size(), 1u);
  EXPECT_EQ(figure.notes[0].at, (Point{1000, 1.5}));
  EXPECT_EQ(figure.notes[0].text, "best 1.5000 at step 1,000");
  EXPECT_EQ(figure.subtitle, "2,000 steps, 1.54M tokens");
}

TEST(LossFigure, LeavesOutWhatIsNotThereAndSmoothsOnlyMuch) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const Figure figure =
      metric_figure({{"run", {loss_row(1, 4.0), loss_row(2, {}), loss_row(3, nan), loss_row(4, 3.0)}}});
  ASSERT_EQ(figure.series.size(), 1u);
  EXPECT_EQ(figure.series[0].stroke, Stroke::curve);
  EXPECT_THAT(figure.series[0].points, ElementsAre(Point{1, 4}, Point{4, 3}));
  EXPECT_TRUE(figure.notes.empty());
}

TEST(LossFigure, HoldsSeveralRuns) {
  const Figure figure = metric_figure({{"a", {loss_row(1, 4.0, 4.0)}}, {"b", {loss_row(1, 3.0, 3.0)}}});
  ASSERT_EQ(figure.series.size(), 4u);
  EXPECT_EQ(figure.series[3].name, "b: validation loss");
  EXPECT_EQ(figure.series[3].color, 1);
  EXPECT_EQ(figure.labels[1].name, "b");
  EXPECT_EQ(figure.labels[1].detail, "best 3.0000 at step 1");
}

TEST(LossSvg, LiesInTheRunDirectory) {
  const Scratch scratch;
  const RunPaths paths{scratch.path("tales/")};  // with a slash, as shells complete it
  std::filesystem::create_directory(paths.root);
  write_loss_svg(paths);
  MetricsWriter(paths.metrics()).append(loss_row(10, 2.5));
  write_loss_svg(paths);
  EXPECT_THAT(read_file(paths.plot()), HasSubstr("<title>tales</title>"));
  scratch.write("tales/metrics.jsonl", "nonsense\n");
  testing::expect_error_with(ExitCode::bad_input, {"metrics.jsonl:1"}, [&] { write_loss_svg(paths); });
}

}  // namespace
}  // namespace kiln
