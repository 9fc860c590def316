// Tests event files: messages and checksums against known bytes, whole files with an independent reader.
#include "kiln/run/tensorboard.h"

#include "kiln/core/error.h"
#include "kiln/core/file.h"

#include <gmock/gmock.h>

#include "support/error_parts.h"
#include "support/event_reader.h"
#include "support/scratch.h"
#include <cmath>
#include <limits>
#include <numeric>

namespace kiln {
namespace {

using ::testing::ElementsAre;
using testing::expect_error_with;
using ::testing::HasSubstr;
using testing::read_events;
using testing::Scratch;
using testing::value_at;

std::string bytes(std::initializer_list<int> values) {
  std::string text;
  for (const int value : values) text.push_back(static_cast<char>(value));
  return text;
}

// ---- Protocol Buffers ----

TEST(EventSummary, WritesTheBytesOfTheWireFormat) {
  EventSummary scalar;
  scalar.scalar("a", 1.0);
  EXPECT_EQ(scalar.encoded(), bytes({0x0A, 8,                    // field 1: a value of eight bytes
                                     0x0A, 1, 'a',               // its field 1: the tag
                                     0x15, 0, 0, 0x80, 0x3F}));  // its field 2: a float
  EventSummary histogram;
  histogram.histogram("a", {.min = 1, .max = 2, .limits = {1.0}, .counts = {2.0}});
  EXPECT_THAT(histogram.encoded(), HasSubstr(bytes({0x09, 0, 0, 0, 0, 0, 0, 0xF0, 0x3F,     // field 1: a double
                                                    0x11, 0, 0, 0, 0, 0, 0, 0, 0x40})));    // field 2
  EXPECT_THAT(histogram.encoded(), HasSubstr(bytes({0x32, 8, 0, 0, 0, 0, 0, 0, 0xF0, 0x3F,  // field 6: packed doubles
                                                    0x3A, 8, 0, 0, 0, 0, 0, 0, 0,    0x40})));  // field 7
  EventSummary text;
  text.text("a", std::string(296, 'x'));  // 300 bytes with the indentation: a length of two bytes
  EXPECT_THAT(text.encoded(), HasSubstr(bytes({0x42, 0xAC, 0x02}) + "    xxx"));
}

// ---- histograms ----

TEST(Histogram, CountsEveryFiniteValueOnceAndWhereItLies) {
  std::vector<float> values{0.0F,
                            -0.0F,
                            1e-9F,
                            -3.0F,
                            5.0F,
                            5.1F,
                            0.25F,
                            std::numeric_limits<float>::infinity(),
                            std::numeric_limits<float>::quiet_NaN()};
  const Histogram h = histogram_of(values);
  EXPECT_EQ(h.count, 7);
  EXPECT_EQ(h.min, -3);
  EXPECT_NEAR(h.max, 5.1, 1e-6);
  EXPECT_NEAR(h.sum, 7.35, 1e-6);
  EXPECT_NEAR(h.sum_of_squares, 9 + 25 + 26.01 + 0.0625, 1e-5);
  ASSERT_EQ(h.limits.size(), h.counts.size());
  EXPECT_EQ(std::accumulate(h.counts.begin(), h.counts.end(), 0.0), 7);
  EXPECT_TRUE(std::is_sorted(h.limits.begin(), h.limits.end()));
  // -3 | empty | near zero | empty | 0.25 | empty | 5 and 5.1
  EXPECT_THAT(h.counts, ElementsAre(1, 0, 3, 0, 1, 0, 2));
  EXPECT_THAT(h.limits, ElementsAre(-3, -5.5 / 1024, 5.5 / 1024, 0.25, 0.28125, 5, 5.5));
}

TEST(Histogram, BucketsAreAtMostAnEighthOfTheirValuesWide) {
  std::vector<float> values;
  for (int i = 1; i <= 4000; ++i) values.push_back(static_cast<float>(i) / 4000 * (i % 2 == 0 ? 1.0F : -1.0F));
  const Histogram h = histogram_of(values);
  EXPECT_LT(h.limits.size(), 170u);
  for (std::size_t i = 1; i < h.limits.size(); ++i) {
    const double least = std::min(std::abs(h.limits[i - 1]), std::abs(h.limits[i]));
    if (least <= 2.0 / 1024) continue;  // near zero
    EXPECT_LE(h.limits[i] - h.limits[i - 1], least / 8 + 1e-12);
    const auto within = std::count_if(values.begin(), values.end(), [&](float value) {
      const bool is_negative = h.limits[i] <= 0;  // a bucket includes its limit nearer to zero
      return is_negative ? value > h.limits[i - 1] && value <= h.limits[i]
                         : value >= h.limits[i - 1] && value < h.limits[i];
    });
    EXPECT_EQ(h.counts[i], within) << h.limits[i];
  }
}

TEST(Histogram, OfConstantsExtremesAndNothing) {
  const Histogram zeros = histogram_of(std::vector<float>(5));
  EXPECT_THAT(zeros.counts, ElementsAre(5));
  EXPECT_EQ(zeros.sum, 0);
  EXPECT_TRUE(histogram_of({}).limits.empty());
  EXPECT_TRUE(histogram_of(std::vector<float>(3, std::nanf(""))).limits.empty());
  const float most = std::numeric_limits<float>::max(), least = std::numeric_limits<float>::denorm_min();
  const Histogram ends = histogram_of(std::vector<float>{-most, most, least, -least});
  EXPECT_THAT(ends.counts, ElementsAre(1, 0, 2, 0, 1));
  EXPECT_EQ(ends.limits.back(), most);
}

// ---- files ----

TEST(EventFile, BeginsWithTheBytesOfEveryEventFile) {
  const Scratch scratch;
  const std::string file = read_file(EventFile(scratch.path()).path());
  ASSERT_EQ(file.size(), 12u + 24 + 4);
  // The length, 24 bytes, and its masked CRC-32C, as in TensorFlow's own files.
  EXPECT_EQ(file.substr(0, 12), bytes({24, 0, 0, 0, 0, 0, 0, 0, 0xA3, 0x7F, 0x4B, 0x22}));
  EXPECT_EQ(file.substr(12 + 9, 15),
            "\x1A\x0D"
            "brain.Event:2");
}

TEST(EventFile, IsReadBackAsItWasWritten) {
  if (!testing::has_python()) GTEST_SKIP() << "needs python3";
  const Scratch scratch;
  EventFile file(scratch.path());
  EventSummary first, second;
  first.scalar("loss/training", 2.5);
  first.scalar("learning_rate", 1e-3);
  file.append(300, first);
  second.text("sample", "# two\n* lines");
  second.histogram("weights/a", histogram_of(std::vector<float>{1, 2, 2, -4}));
  file.append(5'000'000'000, second);

  const auto events = read_events(file.path());
  ASSERT_EQ(events.size(), 3u);
  EXPECT_EQ(events[0]["file_version"], "brain.Event:2");
  EXPECT_GT(events[0]["wall_time"], 1.7e9);
  EXPECT_EQ(events[1]["step"], 300);
  EXPECT_EQ(value_at(events, 300, "loss/training")["scalar"], 2.5);
  EXPECT_NEAR(value_at(events, 300, "learning_rate")["scalar"].get<double>(), 1e-3, 1e-9);
  EXPECT_EQ(events[2]["step"], 5'000'000'000);
  const nlohmann::json text = value_at(events, 5'000'000'000, "sample");
  EXPECT_EQ(text["plugin"], "text");
  EXPECT_EQ(text["tensor"], nlohmann::json::parse(R"({"dtype": 7, "shape": [1],
      "strings": ["    # two\n    * lines"]})"));
  const nlohmann::json histogram = value_at(events, 5'000'000'000, "weights/a")["histogram"];
  EXPECT_EQ(histogram["min"], -4);
  EXPECT_EQ(histogram["max"], 2);
  EXPECT_EQ(histogram["num"], 4);
  EXPECT_EQ(histogram["sum"], 1);
  EXPECT_EQ(histogram["sum_squares"], 25);
  EXPECT_EQ(histogram["counts"], (std::vector<double>{1, 0, 1, 0, 2}));
  EXPECT_EQ(histogram["limits"], (std::vector<double>{-4, 1, 1.125, 2, 2.25}));
}

TEST(EventFile, AResumedRunTellsReadersToForgetLaterSteps) {
  if (!testing::has_python()) GTEST_SKIP() << "needs python3";
  const Scratch scratch;
  const auto events = read_events(EventFile(scratch.path(), 40).path());
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[1]["session_status"], 1);
  EXPECT_EQ(events[1]["step"], 41);
}

TEST(EventFile, ANewOneSortsBehindThoseThatAreThere) {
  const Scratch scratch;
  scratch.write("events.out.tfevents.9000000000.elsewhere.1.0", "");
  scratch.write("metrics.jsonl", "");
  const std::filesystem::path first = EventFile(scratch.path()).path(), second = EventFile(scratch.path()).path();
  EXPECT_THAT(first.filename().string(), ::testing::StartsWith("events.out.tfevents.9000000001."));
  EXPECT_THAT(list_event_files(scratch.path()),
              ElementsAre(scratch.path("events.out.tfevents.9000000000.elsewhere.1.0"), first, second));
  EXPECT_TRUE(list_event_files(scratch.path("none")).empty());
}

TEST(EventFile, WhereThereIsNoFolderIsAnErrorOfInputAndOutput) {
  const Scratch scratch;
  expect_error_with(ExitCode::io, {"cannot be opened for writing: No such file"},
                    [&] { EventFile(scratch.path("none")); });
}

}  // namespace
}  // namespace kiln
