// Event files: checksums and messages against known bytes, whole files against a reader of their own.
#include "kiln/run/event_file.h"

#include "kiln/core/error.h"
#include "kiln/run/crc32c.h"

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
using testing::read_events;
using testing::Scratch;
using testing::value_at;

// ---- checksums ----

TEST(Crc32c, OfTheVectorsOfRfc3720) {
  EXPECT_EQ(crc32c("123456789"), 0xE3069283);
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8A9136AA);
  EXPECT_EQ(crc32c(std::string(32, '\xFF')), 0x62A8AB43);
  std::string rising(32, '\0');
  std::iota(rising.begin(), rising.end(), '\0');
  EXPECT_EQ(crc32c(rising), 0x46DD794E);
  EXPECT_EQ(crc32c(""), 0u);
}

TEST(Crc32c, MaskedAsRecordsHaveIt) { EXPECT_EQ(masked_crc32c("123456789"), 0xC78AB0E5); }

// ---- Protocol Buffers ----

std::string bytes(std::initializer_list<int> values) {
  std::string text;
  for (const int value : values) text.push_back(static_cast<char>(value));
  return text;
}

TEST(ProtoMessage, WritesTheBytesOfTheWireFormat) {
  ProtoMessage inner, message;
  inner.integer(1, 150);  // the example of the format's own documentation
  EXPECT_EQ(inner.encoded(), bytes({0x08, 0x96, 0x01}));
  message.message(3, inner);
  EXPECT_EQ(message.encoded(), bytes({0x1A, 0x03, 0x08, 0x96, 0x01}));
  ProtoMessage negative;
  negative.integer(2, -1);
  EXPECT_EQ(negative.encoded(), bytes({0x10, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1}));
  ProtoMessage numbers;
  numbers.real(2, 1.0F);
  numbers.real(1, 1.0);
  numbers.reals(16, std::vector<double>{1.0});
  EXPECT_EQ(numbers.encoded(),
            bytes({0x15, 0,    0,    0x80, 0x3F,                                   // field 2, four bytes
                   0x09, 0,    0,    0,    0,    0, 0, 0xF0, 0x3F,                 // field 1, eight bytes
                   0x82, 0x01, 0x08, 0,    0,    0, 0, 0,    0,    0xF0, 0x3F}));  // field 16, packed
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
  // -3 | nothing | about zero | nothing | 0.25 | nothing | 5 and 5.1
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
    if (least <= 2.0 / 1024) continue;  // about zero
    EXPECT_LE(h.limits[i] - h.limits[i - 1], least / 8 + 1e-12);
    const auto within = std::count_if(values.begin(), values.end(), [&](float value) {
      const bool is_negative = h.limits[i] <= 0;  // a bucket's limit nearer to zero belongs to it
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
