// Disks that are full, broken or slow, and clocks that jump, under the real program: its exit codes and what it leaves.
#include "kiln/core/file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/preloaded.h"
#include "cli/small_run.h"
#include "support/wait.h"
#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

namespace kiln {
namespace {

namespace fs = std::filesystem;

using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::Outcome;
using testing::Process;
using testing::run_kiln;
using testing::SmallRun;
using testing::wait_until;

/// A run of 30 steps that saves every 5th and nothing else.
class FaultyDisk : public ::testing::Test {
 protected:
  /// kiln train with a library preloaded and these variables set.
  std::vector<std::string> training(const std::string& library, const std::vector<std::string>& variables,
                                    const std::vector<std::string>& more = {}) const {
    std::vector<std::string> command = run_.training(
        {"--set", "train.steps=30", "--set", "train.eval_every=0", "--set", "train.keep_checkpoints=100"});
    command.insert(command.end(), more.begin(), more.end());
    return testing::preloaded(library, variables, command);
  }

  std::vector<std::string> faulty(const std::string& paths, const std::string& call, int error,
                                  const std::vector<std::string>& more = {}) const {
    return training(KILN_FAULTY_DISK, testing::failing(paths, call, error), more);
  }

  std::string checkpoint(const std::string& name) const { return run_.folder + "/checkpoints/" + name; }

  /// What lies in the folder of checkpoints.
  std::vector<std::string> names() const {
    std::vector<std::string> found;
    for (const auto& entry : fs::directory_iterator(run_.folder + "/checkpoints"))
      found.push_back(entry.path().filename().string());
    std::ranges::sort(found);
    return found;
  }

  void expect_whole() const {
    const Outcome outcome = run_kiln({"verify", run_.folder});
    EXPECT_EQ(outcome.code, 0) << outcome.out << outcome.err;
  }

  SmallRun run_;
};

const std::vector<std::vector<std::string>> kBothWays{{"--set", "train.async_checkpoint=true"},
                                                      {"--set", "train.async_checkpoint=false"}};

TEST_F(FaultyDisk, AFullDiskIsTriedAgainWhenTheNextCheckpointIsDue) {
  for (const std::vector<std::string>& way : kBothWays) {
    fs::remove_all(run_.folder);
    const Outcome outcome = testing::run(faulty("tmp-step-000000(05|10)/model", "write", ENOSPC, way));
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_THAT(outcome.err,
                HasSubstr("No space left on device; training continues, and kiln tries again at the next checkpoint "
                          "(1 of 3)"));
    EXPECT_THAT(outcome.err, HasSubstr("(2 of 3)"));
    EXPECT_EQ(names(), (std::vector<std::string>{"latest", "step-00000000", "step-00000015", "step-00000020",
                                                 "step-00000025", "step-00000030"}));
    expect_whole();
  }
}

TEST_F(FaultyDisk, ThreeFailedSavesInARowExitFive) {
  for (const std::vector<std::string>& way : kBothWays) {
    fs::remove_all(run_.folder);
    const Outcome outcome = testing::run(faulty("tmp-step-000000(10|15|20)/opt", "write", ENOSPC, way));
    EXPECT_EQ(outcome.code, 5) << outcome.err;
    EXPECT_EQ(names(), (std::vector<std::string>{"latest", "step-00000000", "step-00000005"}));
    expect_whole();
  }
}

/// Every file is flushed and closed before the folder has its name, the folders before the pointer moves.
TEST_F(FaultyDisk, AnErrorOfFlushingOrClosingIsAFailedSaveAndLatestIsNotMoved) {
  ASSERT_EQ(testing::run(training("", {}, {"--set", "train.steps=5"})).code, 0);
  const std::vector<std::pair<std::string, std::string>> faults{{"fsync", "step-00000006/model"},
                                                                {"close", "step-00000006/model"},
                                                                {"fsync", "step-00000006/manifest"},
                                                                {"close", "step-00000006/trainer"},
                                                                {"fsync", "tmp-step-00000006$"},
                                                                {"rename", "step-00000006$"},
                                                                {"fsync", "checkpoints$"},
                                                                {"fsync", "latest"},
                                                                {"close", "latest"},
                                                                {"rename", "latest"},
                                                                {"fsync", "metrics.jsonl$"}};
  for (const auto& [call, path] : faults) {
    const Outcome outcome = testing::run(faulty(path, call, EIO, {"--resume", "--set", "train.steps=6"}));
    EXPECT_EQ(outcome.code, 5) << call << path << outcome.err;
    EXPECT_THAT(outcome.err, HasSubstr("Input/output error")) << call << path;
    EXPECT_EQ(read_file(checkpoint("latest")), "step-00000005\n") << call << path;
    for (const std::string& name : names()) EXPECT_FALSE(name.starts_with(".tmp-")) << call << path;
    expect_whole();
    fs::remove_all(checkpoint("step-00000006"));  // there where all but the pointer was written
  }
  EXPECT_EQ(testing::run(training("", {}, {"--resume", "--set", "train.steps=6"})).code, 0);
}

/// What the last save of 10 steps did to the disk but for writing and closing, "CALL PATH", from the metrics' flush on.
/// Paths are relative to the run's folder; what is in the manifest's folder is in the order of its names.
TEST_F(FaultyDisk, EachPartIsFlushedBeforeItIsNamedAndItsFolderAfterwards) {
  const std::string log = run_.scratch.path("calls.txt").string();
  const std::vector<std::string> watched{"FAULTY_DISK_PATHS=^" + run_.folder, "FAULTY_DISK_LOG=" + log};
  const std::vector<std::string> short_run{"--set", "train.steps=10", "--set", "train.keep_checkpoints=0"};
  ASSERT_EQ(testing::run(training(KILN_FAULTY_DISK, watched, short_run)).code, 0);
  std::vector<std::string> calls;
  std::istringstream lines(read_file(log));
  for (std::string call, path; lines >> call >> path;) {
    if (call == "write" || call == "close") continue;
    const std::string relative = path.substr(std::min(path.size(), run_.folder.size() + 1));
    if (call == "fsync" && relative == "metrics.jsonl") calls.clear();  // a save begins
    calls.push_back(fmt::format("{} {}", call, relative));
  }
  const std::string made = "checkpoints/.tmp-step-00000010", old = "checkpoints/.tmp-old-step-00000005";
  std::vector<std::string> expected{"fsync metrics.jsonl", "fsync checkpoints"};
  for (const char* file : {"config.json", "generation_config.json", "kiln.json", "model.safetensors",
                           "optimizer.safetensors", "tokenizer.json", "tokenizer_config.json", "trainer.json"})
    expected.push_back("fsync " + made + "/" + file);
  ASSERT_GE(calls.size(), expected.size());
  std::sort(calls.begin() + 2, calls.begin() + static_cast<std::ptrdiff_t>(expected.size()));
  for (const std::string& call :
       {"fsync " + made + "/manifest.json", "fsync " + made, std::string("rename checkpoints/step-00000010"),
        std::string("fsync checkpoints"), std::string("fsync checkpoints/latest.tmp"),
        std::string("rename checkpoints/latest"), std::string("fsync checkpoints"), "rename " + old})
    expected.push_back(call);
  ASSERT_GT(calls.size(), expected.size());
  const auto removals = calls.begin() + static_cast<std::ptrdiff_t>(expected.size());
  EXPECT_EQ(std::vector<std::string>(calls.begin(), removals), expected);
  calls.erase(calls.begin(), removals);
  std::erase_if(calls, [](const std::string& call) { return !call.starts_with("unlink checkpoints/"); });
  EXPECT_THAT(calls, Each(HasSubstr(old)));
}

TEST_F(FaultyDisk, ASecondSignalDuringTheSaveEndsItAtOnceAndTheOldCheckpointIsIntact) {
  for (const int second : {SIGTERM, SIGINT}) {
    fs::remove_all(run_.folder);
    Process process(training(KILN_FAULTY_DISK, testing::slow("tmp-step-0*[1-9]"),
                             {"--set", "train.steps=100000000", "--set", "train.checkpoint_every=0"}));
    ASSERT_TRUE(process.wait_for_error_text("step "));
    process.send(SIGTERM);
    const auto is_temporary = [](const std::string& name) { return name.starts_with(".tmp-"); };
    ASSERT_TRUE(wait_until([&] { return std::ranges::any_of(names(), is_temporary); }));
    std::this_thread::sleep_for(std::chrono::milliseconds(600));  // at once it would be taken for an echo
    process.send(second);
    const auto begin = std::chrono::steady_clock::now();
    const Outcome outcome = process.finish();
    EXPECT_EQ(outcome.code, 128 + second) << outcome.err;
    EXPECT_THAT(outcome.err, Not(HasSubstr("continue with --resume")));
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(10));
    EXPECT_EQ(read_file(checkpoint("latest")), "step-00000000\n");
    expect_whole();
  }
}

TEST_F(FaultyDisk, ASignalWhileASaveIsAtWorkAwaitsItAndSavesAgain) {
  Process process(training(KILN_FAULTY_DISK, testing::slow("tmp-step-00000005"),
                           {"--set", "train.steps=100000000", "--set", "train.checkpoint_every=5"}));
  ASSERT_TRUE(wait_until([&] { return fs::exists(checkpoint(".tmp-step-00000005")); }));
  process.send(SIGTERM);
  const Outcome outcome = process.finish();
  EXPECT_EQ(outcome.code, 143) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("continue with --resume"));
  EXPECT_TRUE(fs::exists(checkpoint("step-00000005")));
  EXPECT_GE(read_file(checkpoint("latest")), "step-00000005\n");
  expect_whole();
}

TEST_F(FaultyDisk, ASignalWhoseSaveFailsExitsFive) {
  Process process(faulty("tmp-step-0*[1-9]", "write", ENOSPC,
                         {"--set", "train.steps=100000000", "--set", "train.checkpoint_every=0"}));
  ASSERT_TRUE(process.wait_for_error_text("step "));
  process.send(SIGTERM);
  const Outcome outcome = process.finish();
  EXPECT_EQ(outcome.code, 5) << outcome.err;
  EXPECT_THAT(outcome.err, Not(HasSubstr("continue with --resume")));
  expect_whole();
}

TEST_F(FaultyDisk, ASlowDiskIsReckonedWithInATimeBudget) {
  const std::vector<std::string> budget{"--set", "train.steps=null", "--set", "train.time_budget=4s",
                                        "--set", "train.log_every=1"};
  const Outcome outcome = testing::run(training(KILN_FAULTY_DISK, testing::slow("/checkpoints/", 20), budget));
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const std::string latest = read_file(checkpoint("latest"));
  const auto state =
      nlohmann::json::parse(read_file(checkpoint(latest.substr(0, latest.size() - 1) + "/trainer.json")));
  const double save_seconds = 20 * 0.020;  // at least: writes, flushes and renames of nine files
  EXPECT_GT(state["reserve_seconds"].get<double>(), save_seconds);
  // However long a step takes on this machine, only the last one may end when the save should be under way.
  std::vector<double> ends;
  std::istringstream lines(read_file(run_.folder + "/metrics.jsonl"));
  for (std::string line; std::getline(lines, line);)
    ends.push_back(nlohmann::json::parse(line)["seconds"].get<double>());
  ASSERT_FALSE(ends.empty());
  ends.pop_back();
  EXPECT_THAT(ends, Each(::testing::Lt(4 - save_seconds)));
}

TEST_F(FaultyDisk, ClocksThatJumpDisturbNeitherRatesNorBudgets) {
  const Outcome outcome =
      testing::run(training(KILN_JUMPING_CLOCK, {}, {"--set", "train.steps=null", "--set", "train.time_budget=1.5s"}));
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  testing::expect_steady_times(run_.folder,
                               [](const nlohmann::json& row) { EXPECT_GT(row["tokens_per_second"].get<double>(), 0); });
  EXPECT_THAT(outcome.err, Not(::testing::ContainsRegex("ETA [0-9]+ h")));
}

/// A resume passes over what is damaged and comes to its step again: the folder there is exchanged.
TEST_F(FaultyDisk, WhereFoldersCannotBeExchangedAtOnceItTakesThreeRenames) {
  ASSERT_EQ(testing::run(run_.training()).code, 0);
  const std::string last = names().back();
  fs::resize_file(checkpoint(last) + "/model.safetensors", 100);
  const Outcome outcome = testing::run(faulty("/checkpoints/", "renameat2", EINVAL, {"--resume"}));
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  expect_whole();
  EXPECT_THAT(names(), Each(Not(HasSubstr(".tmp-"))));
}

TEST_F(FaultyDisk, AFileSystemWithoutLocksIsNotTakenForAnotherProcess) {
  const Outcome outcome = testing::run(faulty("/lock$", "flock", ENOLCK));
  EXPECT_EQ(outcome.code, 5);
  EXPECT_THAT(outcome.err, HasSubstr("/lock: cannot be locked: No locks available"));
}

/// A small file system in memory that fills up, where this machine lets a process mount one.
TEST_F(FaultyDisk, ARealDiskThatFillsUpKeepsWhatItHolds) {
  const std::string mount = run_.scratch.path("disk").string(), run = mount + "/run";
  fs::create_directory(mount);
  const std::string script = "mount -t tmpfs -o size=600k none " + mount + " && echo mounted || exit; " + KILN_BINARY +
                             " train " + run_.config + " --run " + run +
                             " --set train.steps=1000 --set train.eval_every=0 --set train.checkpoint_every=2" +
                             " --set train.keep_checkpoints=1000 --set train.log_every=1; echo ended $?; " +
                             KILN_BINARY + " verify " + run + "; echo verified $?; ls -A " + run + "/checkpoints";
  const Outcome outcome = testing::run({"unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script});
  if (!outcome.out.starts_with("mounted\n")) GTEST_SKIP() << "no mounts here: " << outcome.err;
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("ended 5\n")) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("No space left on device"));
  EXPECT_THAT(outcome.err, HasSubstr("(2 of 3)"));
  EXPECT_THAT(outcome.out, HasSubstr("verified 0\n"));
  EXPECT_THAT(outcome.out, Not(HasSubstr(".tmp-")));
}

TEST_F(FaultyDisk, AnOverwriteThatEndsHalfWayLeavesNoCheckpointOfTheOldRun) {
  ASSERT_EQ(testing::run(run_.training()).code, 0);
  const std::size_t before = names().size();
  Process process(training(KILN_FAULTY_DISK, testing::slow("/checkpoints/"), {"--overwrite"}));
  ASSERT_TRUE(wait_until([&] { return !process.is_running() || names().size() != before; }));
  ASSERT_TRUE(process.is_running());
  process.send(SIGKILL);
  process.finish();
  EXPECT_FALSE(names().empty());
  EXPECT_THAT(names(), Each(Not(::testing::StartsWith("step-"))));
}

}  // namespace
}  // namespace kiln
