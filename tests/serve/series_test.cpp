// Rows as columns, and curves of as few points as a screen shows.
#include "serve/series.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "serve/sample_log.h"
#include <cmath>
#include <limits>
#include <random>
#include <string>

namespace kiln {
namespace {

using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using ::testing::IsEmpty;
using ::testing::IsNan;
using ::testing::SizeIs;

MetricColumns columns_of(std::initializer_list<std::string_view> lines) {
  MetricColumns columns;
  for (const std::string_view line : lines) columns.add(line);
  return columns;
}

Series curve_of(const MetricColumns& columns, std::string_view key, const SeriesRange& range = {},
                RunAxis axis = RunAxis::step) {
  return series_of(columns, key, axis, range);
}

TEST(MetricColumns, ReadLinesAsKilnWritesThem) {
  MetricsRow row;
  row.step = 7;
  row.tokens = 1234567890123;
  row.seconds = 1.5;
  row.loss = 0.25;
  row.grad_norm = 1e-12;
  Json json = to_json(row);
  json["rewards/mine"] = -2;
  const MetricColumns columns = columns_of({json.dump()});
  EXPECT_EQ(columns.rows(), 1u);
  EXPECT_EQ(columns.axis(RunAxis::tokens)[0], 1234567890123.0);
  EXPECT_EQ(columns.find("loss")->value(0), 0.25f);
  EXPECT_EQ(columns.find("grad_norm")->value(0), 1e-12f);
  EXPECT_EQ(columns.find("rewards/mine")->value(0), -2);
  EXPECT_EQ(columns.find("learning_rate"), nullptr) << "null in every row";
}

TEST(MetricColumns, ReadOtherJsonAndRefuseWhatIsNoRow) {
  const MetricColumns columns =
      columns_of({R"({"step": 1, "los\u0073" : 2.5e0, "note": "x", "on": true, "list": [1, {"step": 9}]})", "", "{",
                  "[1]", "3", R"({"loss": 1})", R"({"step": null})", R"({"step": -1})", R"({"step": "2"})",
                  R"({"step": 2, "loss": nan})", R"({"step": 2,})", "{\"step\": 3}\r"});
  EXPECT_THAT(columns.axis(RunAxis::step), ElementsAre(1, 3));
  EXPECT_EQ(columns.find("loss")->value(0), 2.5f);
  EXPECT_THAT(columns.find("loss")->value(1), IsNan());
  EXPECT_THAT(columns.columns(), SizeIs(1));
}

TEST(MetricColumns, KeepGapsOfTrainingAndOnlyTheValuesOfEvaluations) {
  const MetricColumns columns = columns_of(
      {R"({"step": 1, "validation_loss": null, "loss": 1})", R"({"step": 2, "validation_loss": 5, "loss": null})",
       R"({"step": 3, "validation_loss": null, "loss": 1e99, "kl": 4})", R"({"step": 4, "loss": 2})"});
  const Series loss = curve_of(columns, "loss"), validation = curve_of(columns, "validation_loss"),
               kl = curve_of(columns, "kl");
  EXPECT_THAT(loss.x, ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(loss.y, ElementsAre(1, IsNan(), IsNan(), 2)) << "1e99 is no float";
  EXPECT_THAT(validation.x, ElementsAre(2));
  EXPECT_THAT(validation.y, ElementsAre(5));
  EXPECT_THAT(kl.y, ElementsAre(IsNan(), IsNan(), 4, IsNan()));
}

TEST(MetricColumns, ARowReplacesThoseFromItsStepOn) {
  MetricColumns columns = columns_of({R"({"step": 1, "loss": 1})", R"({"step": 2, "loss": 2, "validation_loss": 2})",
                                      R"({"step": 3, "loss": 3, "validation_loss": 3})", R"({"step": 2, "loss": 9})"});
  EXPECT_THAT(curve_of(columns, "loss").y, ElementsAre(1, 9));
  EXPECT_THAT(curve_of(columns, "validation_loss").y, IsEmpty());
  columns.add(R"({"step": 3, "validation_loss": 4})");
  EXPECT_THAT(curve_of(columns, "validation_loss").x, ElementsAre(3));
}

TEST(MetricColumns, AxesNeverFall) {
  const MetricColumns columns =
      columns_of({R"({"step": 1, "tokens": 5, "seconds": 2, "loss": 1})", R"({"step": 2, "tokens": 3, "loss": 1})",
                  R"({"step": 3, "tokens": 9, "loss": 1})"});
  EXPECT_THAT(columns.axis(RunAxis::tokens), ElementsAre(5, 5, 9));
  EXPECT_THAT(columns.axis(RunAxis::seconds), ElementsAre(2, 2, 2));
}

TEST(MetricColumns, EndlesslyManyKeysTakeBoundedMemory) {
  MetricColumns columns;
  for (int step = 0; step < 2000; ++step) columns.add(fmt::format(R"({{"step": {0}, "key{0}": 1, "loss": 2}})", step));
  EXPECT_EQ(columns.rows(), 2000u);
  EXPECT_LE(columns.columns().size(), 500u);
  EXPECT_EQ(columns.find("loss")->last(), 2.0f);
}

TEST(Series, KeepsEveryPointWhereThereIsRoom) {
  MetricColumns columns;
  for (int step = 1; step <= 100; ++step) columns.add(fmt::format(R"({{"step": {}, "loss": {}}})", step, step * 0.5));
  const Series all = curve_of(columns, "loss", {.points = 100});
  EXPECT_THAT(all.x, SizeIs(100));
  EXPECT_THAT(all.mean, IsEmpty());
  const Series part = curve_of(columns, "loss", {.from = 10.5, .to = 13, .points = 100});
  EXPECT_THAT(part.x, ElementsAre(10, 11, 12, 13, 14)) << "with one on each side";
  EXPECT_THAT(curve_of(columns, "loss", {.from = 200}).x, ElementsAre(100));
  EXPECT_THAT(curve_of(columns, "loss", {.from = 5, .to = 4}).x, ElementsAre(4, 5));
  EXPECT_THAT(curve_of(columns, "none").x, IsEmpty());
}

TEST(Series, LosesNoSpikeAndNoGap) {
  MetricColumns columns;
  std::mt19937 random(3);
  std::normal_distribution<float> noise(0, 1);
  for (int step = 1; step <= 20'000; ++step) {
    const bool is_gap = step > 7000 && step <= 7005;
    const std::string loss = step == 12'345 ? "1000"
                             : step == 333  ? "-1000"
                             : is_gap       ? "null"
                                            : fmt::format("{}", noise(random));
    columns.add(fmt::format(R"({{"step": {}, "loss": {}}})", step, loss));
  }
  const Series series = curve_of(columns, "loss", {.points = 400});
  EXPECT_LE(series.x.size(), 401u);
  EXPECT_TRUE(std::is_sorted(series.x.begin(), series.x.end()));
  const auto at = [&](double x) {
    const auto found = std::find(series.x.begin(), series.x.end(), x);
    return found == series.x.end() ? -1.0f : series.y[static_cast<std::size_t>(found - series.x.begin())];
  };
  EXPECT_EQ(at(12'345), 1000);
  EXPECT_EQ(at(333), -1000);
  EXPECT_THAT(at(7001), IsNan());
  EXPECT_EQ(std::count_if(series.y.begin(), series.y.end(), [](float y) { return std::isnan(y); }), 1);
  EXPECT_THAT(series.mean, SizeIs(200));
  double sum = 0;
  for (const float mean : series.mean) sum += mean;
  EXPECT_NEAR(sum / 200, 0, 0.1) << "of parts of one size, the mean of all";
}

TEST(Series, PartsHaveOneWidthOnEachAxis) {
  MetricColumns columns;  // time passes a hundred times as slowly in the second half
  for (int step = 0; step < 1000; ++step) {
    const double seconds = step < 500 ? step : 500 + 0.01 * (step - 500);
    columns.add(fmt::format(R"({{"step": {}, "seconds": {}, "loss": {}}})", step, seconds, step % 7));
  }
  const Series series = curve_of(columns, "loss", {.points = 100}, RunAxis::seconds);
  EXPECT_LE(series.x.size(), 100u);
  const auto late = std::count_if(series.x.begin(), series.x.end(), [](double x) { return x >= 500; });
  EXPECT_LE(late, 2);
}

TEST(SampleLog, FindsSamplesAmongTheLines) {
  SampleLog log;
  for (const std::string_view line :
       {"2026-01-02 03:04:05 info: step 10: sample", "Once upon", "", "a time", "",
        "2026-01-02 03:04:06 info: step 10: validation loss 2", "not of a sample",
        "2026-01-02 03:04:07 info: step 20: sample", "2026 was a year", "2026-01-02 03:04:08 warning: x",
        "2026-01-02 03:04:09 info: step x: sample", "no"}) {
    log.add(line);
  }
  ASSERT_THAT(log.samples(), SizeIs(2));
  EXPECT_EQ(log.samples()[0].step, 10);
  EXPECT_EQ(log.samples()[0].time, "2026-01-02 03:04:05");
  EXPECT_EQ(log.samples()[0].text, "Once upon\n\na time");
  EXPECT_EQ(log.samples()[1].text, "2026 was a year");
  log.add("2026-01-02 03:05:00 info: step 15: sample");
  ASSERT_THAT(log.samples(), SizeIs(2));
  EXPECT_EQ(log.samples()[1].step, 15) << "resumed after step 10";
  EXPECT_EQ(log.samples()[1].text, "");
}

TEST(SampleLog, KeepsBoundedMemory) {
  SampleLog log;
  for (int step = 0; step < 500; ++step) {
    log.add(fmt::format("2026-01-02 03:04:05 info: step {}: sample", step));
    for (int line = 0; line < 100; ++line) log.add(std::string(step == 499 ? 1000 : 1, 'x'));
  }
  EXPECT_THAT(log.samples(), SizeIs(200));
  EXPECT_EQ(log.samples().front().step, 300);
  EXPECT_LT(log.samples().back().text.size(), 66'000u);
}

}  // namespace
}  // namespace kiln
