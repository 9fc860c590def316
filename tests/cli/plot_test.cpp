// kiln plot, as it is called.
#include "kiln/core/file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "cli/small_run.h"
#include "support/process.h"
#include "support/scratch.h"
#include <string>

namespace kiln {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using testing::Outcome;
using testing::run_kiln;
using testing::Scratch;
using ::testing::StartsWith;

/// Runs `kiln plot RUN` in an 80-column world.
Outcome plot(const std::string& run) { return testing::run({"env", "COLUMNS=80", KILN_BINARY, "plot", run}); }

constexpr const char* kRows =
    R"({"step":0,"tokens":0,"seconds":0,"loss":null,"learning_rate":null,"grad_norm":null,"tokens_per_second":null,"validation_loss":4.2})"
    "\n"
    R"({"step":10,"tokens":7680,"seconds":1,"loss":2.5,"learning_rate":0.001,"grad_norm":1,"tokens_per_second":768,"validation_loss":2.75})"
    "\n";

TEST(PlotCommand, DrawsInTheTerminalAndIntoTheRun) {
  const Scratch scratch;
  scratch.write("runs/tales/lock", "1\n");
  scratch.write("runs/tales/metrics.jsonl", kRows);
  const std::string run = scratch.path("runs/tales").string();
  const Outcome outcome = plot(run + "/");
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, StartsWith("tales (10 steps, 7,680 tokens)\n"));
  EXPECT_THAT(outcome.out, HasSubstr("★ best 2.7500 at step 10\n"));
  EXPECT_THAT(outcome.err, HasSubstr("drawn in " + run));
  EXPECT_THAT(outcome.out, Not(HasSubstr("\033[")));  // a pipe is no terminal
  EXPECT_THAT(read_file(run + "/loss.svg"), HasSubstr("<title>tales</title>"));
}

TEST(PlotCommand, SaysWhatIsMissing) {
  const Scratch scratch;
  Outcome outcome = plot(scratch.path("nowhere").string());
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("nowhere: is not a run directory; name one that kiln train has made"));
  scratch.write("run/lock", "1\n");
  outcome = plot(scratch.path("run").string());
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("/run: holds no losses yet; kiln train writes them every train.log_every steps"));
  EXPECT_FALSE(std::filesystem::exists(scratch.path("run/loss.svg")));
}

TEST(PlotCommand, AnImportedModelIsSaidToHaveNoLosses) {
  const testing::SmallRun run;
  ASSERT_EQ(run.train({"--set", "train.steps=1"}).code, 0);
  const std::string imported = run.scratch.path("imported").string();
  ASSERT_EQ(run_kiln({"import", run.folder, "--run", imported}).code, 0);
  const Outcome outcome = plot(imported);
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.err, HasSubstr(imported + ": is an imported model, which has no losses"));
}

// ---- several runs, other metrics ----

/// A folder runs/NAME that looks like a run, with two rows.
std::string make_run(const Scratch& scratch, const std::string& name) {
  scratch.write("runs/" + name + "/lock", "1\n");
  scratch.write("runs/" + name + "/metrics.jsonl", kRows);
  return scratch.path("runs/" + name).string();
}

TEST(PlotCommand, LeavesOutALineThatIsNoRow) {
  const Scratch scratch;
  const std::string run = make_run(scratch, "damaged");
  scratch.write("runs/damaged/metrics.jsonl", std::string("garbage\n") + kRows);
  const Outcome outcome = plot(run);
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("metrics.jsonl:1:"));
  EXPECT_THAT(outcome.err, HasSubstr("the line is left out"));
}

TEST(PlotCommand, DrawsSeveralRunsIntoOnePicture) {
  const Scratch scratch;
  const std::string a = make_run(scratch, "a"), b = make_run(scratch, "b"), out = scratch.path("both.svg").string();
  const Outcome outcome = run_kiln({"plot", a, b, "--output", out});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, StartsWith("2 runs\nloss (nats per token) by step\n"));
  EXPECT_THAT(outcome.out, HasSubstr("\nb b  ★ best 2.7500 at step 10\n"));
  EXPECT_THAT(read_file(out), HasSubstr(">a</text>"));
  EXPECT_THAT(read_file(out), HasSubstr(">b</text>"));
  EXPECT_THAT(outcome.err, HasSubstr("drawn in " + out));
  EXPECT_FALSE(std::filesystem::exists(a + "/loss.svg"));
}

TEST(PlotCommand, ARunWithoutLossesIsLeftOutOfSeveral) {
  const Scratch scratch;
  const std::string a = make_run(scratch, "a"), b = make_run(scratch, "b");
  scratch.write("runs/none/lock", "1\n");
  const std::string none = scratch.path("runs/none").string();
  const Outcome outcome = run_kiln({"plot", a, none, b});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, StartsWith("2 runs\n"));
  EXPECT_THAT(outcome.err, HasSubstr("warning: " + none + ": holds no losses yet, and is not drawn"));
}

/// Nobody asked for the picture, so that its lack is no failure; JSON names no picture that was not written.
TEST(PlotCommand, ShowsARunThatCannotBeWrittenTo) {
  const Scratch scratch;
  const std::string run = make_run(scratch, "tales");
  std::filesystem::create_directory(run + "/loss.svg");  // in the way, for root too
  for (const bool json : {false, true}) {
    std::vector<std::string> command{"plot", run};
    if (json) command.push_back("--json");
    const Outcome outcome = run_kiln(command);
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_THAT(outcome.err, HasSubstr("--output FILE writes the picture elsewhere"));
    EXPECT_THAT(outcome.err, Not(HasSubstr("drawn in")));
    if (json) {
      EXPECT_EQ(nlohmann::json::parse(outcome.out)["output"], nullptr);
    }
  }
  const Outcome asked = run_kiln({"plot", run, "--output", run + "/loss.svg", "--json"});
  EXPECT_NE(asked.code, 0);
  EXPECT_EQ(asked.out, "");
}

TEST(PlotCommand, RunsOfOneNameAreToldApartByTheirPaths) {
  const Scratch scratch;
  const std::string first = make_run(scratch, "x/same"), second = make_run(scratch, "y/same");
  const Outcome outcome = run_kiln({"plot", first, second, "--json"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const auto json = nlohmann::json::parse(outcome.out);
  EXPECT_EQ(json["series"][0]["name"], first + ": training loss");
}

TEST(PlotCommand, JsonHoldsThePointsAndStandsAlone) {
  const Scratch scratch;
  const std::string run = make_run(scratch, "tales");
  const Outcome outcome = run_kiln({"plot", run, "--metric", "learning_rate", "--x", "tokens", "--json"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(nlohmann::json::parse(outcome.out), nlohmann::json::parse(R"({"title": "tales", "x": "tokens trained on",
      "y": "learning rate", "series": [{"name": "learning rate", "points": [[7680.0, 0.001]]}], "output": null})"));
  EXPECT_FALSE(std::filesystem::exists(run + "/loss.svg")) << "another metric has no place of its own";
}

TEST(PlotCommand, DrawsPngWhereItWasBuiltTo) {
  const Scratch scratch;
  const std::string run = make_run(scratch, "tales"), png = scratch.path("loss.png").string();
  const Outcome outcome = run_kiln({"plot", run, "--output", png});
#ifdef KILN_RSVG
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  const std::string bytes = read_file(png);
  EXPECT_EQ(bytes.substr(0, 8), "\x89PNG\r\n\x1A\n");
  const auto size_at = [&](std::size_t at) {  // big-endian, in the first chunk
    return static_cast<unsigned char>(bytes[at + 2]) * 256 + static_cast<unsigned char>(bytes[at + 3]);
  };
  EXPECT_EQ(size_at(16), 1920);
  EXPECT_EQ(size_at(20), 1080);
#else
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("built without librsvg and draws no PNG; name a file that ends in .svg"));
#endif
}

TEST(PlotCommand, RefusesWhatItCannotDraw) {
  const Scratch scratch;
  const std::string run = make_run(scratch, "tales");
  const auto refusal = [&](std::vector<std::string> more) {
    more.insert(more.begin(), {"plot", run});
    const Outcome outcome = run_kiln(more);
    EXPECT_EQ(outcome.code, 2) << outcome.err;
    EXPECT_EQ(outcome.out, "");
    return outcome.err;
  };
  EXPECT_THAT(refusal({"--output", "a.pdf"}), HasSubstr("a.pdf: a file name that ends in .svg or .png"));
  EXPECT_THAT(refusal({"--smooth", "1"}), HasSubstr("1 is not a weight: 0 to less than 1 is expected"));
  EXPECT_THAT(refusal({"--smooth", "much"}), HasSubstr("much is not a weight"));
  EXPECT_THAT(refusal({"--metric", "lose"}), HasSubstr("--metric"));
  EXPECT_THAT(refusal({"--x", "epochs"}), HasSubstr("--x"));
}

}  // namespace
}  // namespace kiln
