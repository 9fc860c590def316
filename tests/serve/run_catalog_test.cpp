// Folders of runs: what is listed, what is read again, and what no name reaches.
#include "serve/run_catalog.h"

#include "kiln/core/file_lock.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "serve/api_error.h"
#include "serve/run_reader.h"
#include "support/scratch.h"
#include "support/tiny_run.h"
#include <future>
#include <string>

namespace kiln {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::Scratch;
using ::testing::SizeIs;

std::string row_text(int step, double loss) {
  return fmt::format("{{\"step\":{},\"tokens\":{},\"loss\":{}}}\n", step, 10 * step, loss);
}

/// Writes a run of `rows` rows, as far as the catalog looks at it.
void write_run(const Scratch& scratch, const std::string& name, int rows) {
  scratch.write(name + "/lock", "1\n");
  std::string text;
  for (int step = 1; step <= rows; ++step) text += row_text(step, step);
  scratch.write(name + "/metrics.jsonl", text);
}

void append_to_run(const Scratch& scratch, const std::string& name, std::string_view bytes) {
  std::ofstream(scratch.path(name), std::ios::binary | std::ios::app) << bytes;
}

std::vector<std::string> run_names(const std::vector<RunFacts>& list) {
  std::vector<std::string> names;
  for (const RunFacts& run : list) names.push_back(run.name);
  return names;
}

/// Expects a run not to be found, with this part of the message.
template <class Call>
void expect_no_run(std::string_view part, Call&& call) {
  try {
    call();
    ADD_FAILURE() << "nothing was thrown";
  } catch (const ApiError& error) {
    EXPECT_EQ(error.status(), 404);
    EXPECT_THAT(error.what(), HasSubstr(std::string(part)));
  }
}

TEST(RunCatalog, ListsRunsWithWhatTheyAre) {
  const Scratch scratch;
  write_run(scratch, "runs/a", 3);
  Config config = testing::tiny_config(scratch);
  config.train.steps = 20;
  config.train.resolve();
  scratch.write("runs/a/config.json", config_to_json(config).dump());
  write_run(scratch, "runs/b", 0);
  scratch.write("runs/c/config.json", "{");  // broken
  scratch.write("runs/c/lock", "1\n");
  scratch.write("runs/no-run/metrics.jsonl", row_text(1, 1));
  scratch.write("runs/file", "");
  RunCatalog runs(scratch.path("runs"));
  const std::vector<RunFacts> list = runs.list();
  ASSERT_THAT(run_names(list), ElementsAre("a", "b", "c"));
  EXPECT_EQ(list[0].step, 3);
  EXPECT_EQ(list[0].tokens, 30);
  EXPECT_THAT(list[0].last, ElementsAre(::testing::Pair("loss", 3)));
  EXPECT_EQ(list[0].objective, "next_token");
  EXPECT_EQ(list[0].total_steps, 20);
  EXPECT_EQ(list[0].config["model"]["d_model"], 16);
  EXPECT_FALSE(list[0].is_training);
  EXPECT_EQ(list[1].step, 0);
  EXPECT_THAT(list[1].problems, IsEmpty());
  EXPECT_THAT(list[2].problems, ElementsAre(HasSubstr("config.json")));
}

TEST(RunCatalog, IsOfOneRunWhereTheFolderIsOne) {
  const Scratch scratch;
  write_run(scratch, "runs/a", 3);
  RunCatalog runs(scratch.path("runs/a"));
  EXPECT_THAT(run_names(runs.list()), ElementsAre("a"));
  EXPECT_EQ(runs.columns("a").rows(), 3u);
}

TEST(RunCatalog, KnowsWhatTrainsNow) {
  const Scratch scratch;
  write_run(scratch, "a", 1);
  RunCatalog runs(scratch.path());
  EXPECT_FALSE(runs.list()[0].is_training);
  {
    const FileLock lock(scratch.path("a/lock"));
    EXPECT_TRUE(runs.list()[0].is_training);
  }
  EXPECT_FALSE(runs.list()[0].is_training);
}

TEST(RunCatalog, FollowsAFileThatGrows) {
  const Scratch scratch;
  write_run(scratch, "a", 3);
  RunCatalog runs(scratch.path());
  const std::uint64_t before = runs.list()[0].version;
  EXPECT_EQ(runs.list()[0].version, before) << "nothing has changed";
  append_to_run(scratch, "a/metrics.jsonl", row_text(4, 0.5) + R"({"step":5,"lo)");
  EXPECT_NE(runs.list()[0].version, before);
  EXPECT_EQ(runs.list()[0].step, 4) << "the last line is not complete";
  EXPECT_EQ(runs.columns("a").rows(), 4u);
  append_to_run(scratch, "a/metrics.jsonl", "ss\":7}\n");
  EXPECT_EQ(runs.columns("a").find("loss")->last(), 7);
  EXPECT_EQ(runs.list()[0].last[0].second, 7);
}

TEST(RunCatalog, ReadsAReplacedFileAnew) {
  const Scratch scratch;
  write_run(scratch, "a", 30);
  RunCatalog runs(scratch.path());
  EXPECT_EQ(runs.columns("a").rows(), 30u);
  scratch.write("new", row_text(1, 5));
  std::filesystem::rename(scratch.path("new"), scratch.path("a/metrics.jsonl"));
  EXPECT_EQ(runs.columns("a").rows(), 1u);
  EXPECT_EQ(runs.list()[0].step, 1);
  std::filesystem::remove(scratch.path("a/metrics.jsonl"));
  EXPECT_EQ(runs.columns("a").rows(), 0u);
  EXPECT_EQ(runs.list()[0].step, 0);
}

TEST(RunCatalog, NamesAreKeysAndNoPaths) {
  const Scratch scratch;
  write_run(scratch, "secret", 1);
  write_run(scratch, "runs/a", 1);
  write_run(scratch, "runs/deep/b", 1);
  RunCatalog runs(scratch.path("runs"));
  for (const char* name : {"..", ".", "", "../secret", "deep/b", "a/", "a/../a", "/", "a\\", "A"}) {
    SCOPED_TRACE(name);
    expect_no_run("there is no run", [&] { runs.columns(name); });
    expect_no_run("there is no run", [&] { runs.samples(name); });
    expect_no_run("there is no run", [&] { runs.folder(name); });
  }
  EXPECT_EQ(runs.columns("a").rows(), 1u);
}

TEST(RunCatalog, OddNamesCanBeAskedFor) {
  const Scratch scratch;
  const std::vector<std::string> names{" space ", "\"quotes\" & <b>", "%2e%2e", "line\nfeed", "日本", "bad\xff"};
  for (const std::string& name : names) write_run(scratch, "runs/" + name, 2);
  write_run(scratch, "runs/bad\xef\xbf\xbd", 5);  // what the last of them looks like
  RunCatalog runs(scratch.path("runs"));
  const std::vector<RunFacts> list = runs.list();
  EXPECT_THAT(list, SizeIs(names.size() + 1));
  double steps = 0;
  for (const RunFacts& run : list) {
    EXPECT_EQ(static_cast<double>(runs.columns(run.name).rows()), run.step) << run.name;
    EXPECT_NO_THROW(Json(run.name).dump()) << "is UTF-8";
    steps += run.step;
  }
  EXPECT_EQ(steps, 2.0 * static_cast<double>(names.size()) + 5) << "all are different runs";
}

TEST(RunCatalog, NoLinkLeadsOutOfTheFolder) {
  const Scratch scratch;
  write_run(scratch, "secret", 4);
  scratch.write("secret/train.log", "2026-01-02 03:04:05 info: step 1: sample\nsecret\n");
  write_run(scratch, "runs/a", 1);
  namespace fs = std::filesystem;
  fs::create_directory_symlink(scratch.path("secret"), scratch.path("runs/link"));
  fs::create_directory_symlink(scratch.path("runs/a"), scratch.path("runs/other-name"));
  fs::remove(scratch.path("runs/a/metrics.jsonl"));
  fs::create_symlink(scratch.path("secret/metrics.jsonl"), scratch.path("runs/a/metrics.jsonl"));
  fs::create_symlink(scratch.path("secret/train.log"), scratch.path("runs/a/train.log"));
  fs::create_symlink(scratch.path("secret/config.json"), scratch.path("runs/a/config.json"));
  scratch.write("secret/config.json", config_to_json(testing::tiny_config(scratch)).dump());
  RunCatalog runs(scratch.path("runs"));
  const std::vector<RunFacts> list = runs.list();
  EXPECT_THAT(run_names(list), ElementsAre("a", "other-name"));
  EXPECT_EQ(list[0].step, 0);
  EXPECT_EQ(list[0].objective, "");
  EXPECT_EQ(runs.columns("a").rows(), 0u);
  EXPECT_THAT(runs.samples("a").samples(), IsEmpty());
}

TEST(RunCatalog, AHundredRunsComeAndGo) {
  const Scratch scratch;
  for (int i = 0; i < 100; ++i) write_run(scratch, fmt::format("run-{:02}", i), i);
  RunCatalog runs(scratch.path());
  EXPECT_THAT(runs.list(), SizeIs(100));
  EXPECT_EQ(runs.columns("run-99").rows(), 99u);
  std::filesystem::remove_all(scratch.path("run-99"));
  EXPECT_THAT(runs.list(), SizeIs(99));
  expect_no_run("did you mean \"run-", [&] { runs.columns("run-99"); });
  write_run(scratch, "run-99", 3);
  EXPECT_EQ(runs.columns("run-99").rows(), 3u) << "found without a list";
}

TEST(RunCatalog, KeepsTheColumnsUsedLastWithinTheMemory) {
  const Scratch scratch;
  for (const char* name : {"a", "b", "c"}) write_run(scratch, name, 2000);
  RunCatalog alone(scratch.path());
  alone.columns("a");
  const std::size_t one = alone.bytes();
  EXPECT_GT(one, 2000u * 28);
  RunCatalog runs(scratch.path(), 2 * one);
  runs.columns("a");
  runs.columns("b");
  runs.columns("a");
  runs.columns("c");  // in place of b
  EXPECT_EQ(runs.bytes(), 2 * one);
  EXPECT_EQ(runs.columns("b").rows(), 2000u) << "and reads again what it had dropped";
  EXPECT_EQ(runs.bytes(), 2 * one);
  EXPECT_EQ(runs.list()[0].step, 2000);
}

TEST(RunReader, WorksInOrderOnItsThreadAndDropsWhatIsLeft) {
  const Scratch scratch;
  write_run(scratch, "a", 2);
  std::promise<std::size_t> rows;
  const auto unfinished = std::make_shared<int>(1);
  {
    RunReader reader(scratch.path());
    reader.post([&](RunCatalog& runs) { rows.set_value(runs.columns("a").rows()); });
    EXPECT_EQ(rows.get_future().get(), 2u);
    std::promise<void> begins;
    reader.post([&](RunCatalog&) {
      begins.set_value();
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    });
    begins.get_future().wait();
    reader.post([unfinished](RunCatalog&) { FAIL(); });
  }
  EXPECT_EQ(unfinished.use_count(), 1);
}

}  // namespace
}  // namespace kiln
