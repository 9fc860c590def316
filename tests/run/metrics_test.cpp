// metrics.jsonl: its lines to the letter, read back, and cut to a step.
#include "kiln/run/metrics.h"

#include "kiln/core/error.h"
#include "kiln/core/file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/error_parts.h"
#include "support/file_size_limit.h"
#include "support/log_capture.h"
#include "support/scratch.h"
#include <limits>

namespace kiln {
namespace {

using testing::expect_error_with;
using testing::FileSizeLimit;
using testing::LogCapture;
using testing::Scratch;

MetricsRow row(std::int64_t step) {
  MetricsRow r;
  r.step = step;
  r.tokens = 768 * step;
  r.seconds = 1.23456789;
  r.loss = 2.5;
  r.learning_rate = 1e-3;
  r.grad_norm = 0.75;
  r.tokens_per_second = 1000;
  return r;
}

std::vector<std::int64_t> steps_in(const std::filesystem::path& path) {
  std::vector<std::int64_t> steps;
  for (const MetricsRow& r : read_metrics(path)) steps.push_back(r.step);
  return steps;
}

constexpr const char* kLine =
    R"({"step":10,"tokens":7680,"seconds":1.234568,"loss":2.5,"learning_rate":0.001,"grad_norm":0.75,)"
    R"("tokens_per_second":1000.0,"validation_loss":null,"bits_per_byte":null,"perplexity":null,"accuracy":null,"end_accuracy":null})"
    "\n";

TEST(Metrics, EveryRowHasEveryKeyAndMicroseconds) {
  const Scratch scratch;
  MetricsWriter(scratch.path("m")).append(row(10));
  EXPECT_EQ(read_file(scratch.path("m")), kLine);
}

TEST(Metrics, WhatIsNotFiniteIsNull) {
  const Scratch scratch;
  MetricsRow r = row(10);
  r.loss = std::numeric_limits<double>::quiet_NaN();
  r.grad_norm = std::numeric_limits<double>::infinity();
  r.validation_loss = 1.5;
  MetricsWriter(scratch.path("m")).append(r);
  const std::vector<MetricsRow> rows = read_metrics(scratch.path("m"));
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_FALSE(rows[0].loss || rows[0].grad_norm);
  EXPECT_EQ(rows[0].validation_loss, 1.5);
  EXPECT_EQ(rows[0].tokens, 7680);
}

TEST(Metrics, AppendsToWhatIsThere) {
  const Scratch scratch;
  for (const std::int64_t step : {1, 2, 3}) MetricsWriter(scratch.path("m")).append(row(step));
  EXPECT_EQ(steps_in(scratch.path("m")), (std::vector<std::int64_t>{1, 2, 3}));
  EXPECT_TRUE(read_metrics(scratch.path("none")).empty());
}

TEST(Metrics, TruncationDropsLaterRowsAndHalfALine) {
  const Scratch scratch;
  {
    MetricsWriter writer(scratch.path("m"));
    for (const std::int64_t step : {10, 20, 30}) writer.append(row(step));
  }
  const std::string whole = read_file(scratch.path("m"));
  scratch.write("m", whole + whole.substr(0, 40));
  EXPECT_EQ(steps_in(scratch.path("m")), (std::vector<std::int64_t>{10, 20, 30}));
  truncate_metrics(scratch.path("m"), 30);
  EXPECT_EQ(read_file(scratch.path("m")), whole);
  truncate_metrics(scratch.path("m"), 29);
  MetricsWriter(scratch.path("m")).append(row(30));
  EXPECT_EQ(read_file(scratch.path("m")), whole);
  truncate_metrics(scratch.path("m"), 0);
  EXPECT_EQ(read_file(scratch.path("m")), "");
  truncate_metrics(scratch.path("none"), 0);
  EXPECT_FALSE(std::filesystem::exists(scratch.path("none")));
}

TEST(Metrics, ALineThatIsNoRowIsNamedAndDroppedOnTruncation) {
  const Scratch scratch;
  const std::string path = scratch.write("m", std::string(kLine) + std::string(5, '\0') + "\n" + kLine);
  expect_error_with(ExitCode::bad_input, {path + ":2:"}, [&] { read_metrics(path); });
  const LogCapture log;
  truncate_metrics(path, 10);
  EXPECT_EQ(read_file(path), std::string(kLine) + kLine);
  EXPECT_THAT(log.text(), ::testing::HasSubstr("the line is dropped"));
}

TEST(Metrics, AFullDiskIsAnErrorOfInputAndOutput) {
  expect_error_with(ExitCode::io, {"/dev/full: cannot be written: No space left"},
                    [] { MetricsWriter("/dev/full").append(row(1)); });
}

TEST(Metrics, RowsThatTheDiskDoesNotTakeAreWrittenWithTheNextInTheirOrder) {
  const Scratch scratch;
  const std::filesystem::path path = scratch.path("metrics.jsonl");
  MetricsWriter writer(path);
  writer.append(row(1));
  for (const std::int64_t step : {2, 3}) {
    const FileSizeLimit full(std::filesystem::file_size(path) + 10);
    expect_error_with(ExitCode::io, {"cannot be written"}, [&] { writer.append(row(step)); });
  }
  EXPECT_EQ(steps_in(path), (std::vector<std::int64_t>{1}));
  writer.append(row(4));
  EXPECT_EQ(steps_in(path), (std::vector<std::int64_t>{1, 2, 3, 4}));
}

}  // namespace
}  // namespace kiln
