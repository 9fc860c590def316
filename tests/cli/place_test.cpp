// A run goes on and is scored from any directory, and though its text has changed, moved or gone.
#include "kiln/run/model_source.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/small_run.h"
#include <filesystem>
#include <string>
#include <vector>

namespace kiln {
namespace {

namespace fs = std::filesystem;

using ::testing::HasSubstr;
using ::testing::Not;
using testing::Outcome;
using testing::run_kiln;
using testing::Scratch;

/// A project with text and configs in folders of their own, and a working directory elsewhere.
class Place : public ::testing::Test {
 protected:
  /// Writes the project and trains two steps from its root; `train` is what the config calls the text.
  void begin(const std::string& train = "texts/*.txt") {
    scratch_.write("project/texts/text.txt", testing::counting_text(60));
    Config config = testing::tiny_config(scratch_);
    config.data.train = {train};
    config.train.steps = 2;
    scratch_.write("project/configs/tales.json", format_json(config_to_json(config)));
    fs::create_directory(scratch_.path("elsewhere"));
    const Outcome outcome = run_kiln({"train", "configs/tales.json", "--run", "run"}, "", scratch_.path("project"));
    ASSERT_EQ(outcome.code, 0) << outcome.err;
  }

  std::string run_folder() const { return scratch_.path("project/run").string(); }

  Outcome elsewhere(std::vector<std::string> arguments) const {
    return run_kiln(std::move(arguments), "", scratch_.path("elsewhere"));
  }

  Outcome resume(int steps, const std::vector<std::string>& more = {}) const {
    std::vector<std::string> command{"train", run_folder(), "--resume", "--set", fmt::format("train.steps={}", steps)};
    command.insert(command.end(), more.begin(), more.end());
    return elsewhere(command);
  }

  void change_text() { scratch_.write("project/texts/text.txt", testing::counting_text(90)); }

  Scratch scratch_;
};

TEST_F(Place, ARunIsNamedInPlaceOfItsConfigAndGoesOnFromAnywhere) {
  begin();
  const Outcome resumed = resume(4);
  EXPECT_EQ(resumed.code, 0) << resumed.err;
  EXPECT_THAT(resumed.err, HasSubstr("resuming at step 2"));
  EXPECT_THAT(resumed.err, Not(HasSubstr("warning")));
  EXPECT_TRUE(fs::exists(run_folder() + "/checkpoints/step-00000004"));
  EXPECT_TRUE(fs::is_empty(scratch_.path("elsewhere")));
  const Outcome relative =
      run_kiln({"train", "run/", "--resume", "--set", "train.steps=5"}, "", scratch_.path("project"));
  EXPECT_EQ(relative.code, 0) << relative.err;
}

TEST_F(Place, TextThatLiesBesideTheConfigIsFoundFromAnywhere) {
  begin("../texts/text.txt");
  fs::remove_all(run_folder() + "/tokens");
  EXPECT_EQ(elsewhere({"eval", run_folder()}).code, 0);
  EXPECT_EQ(resume(4).code, 0);
}

TEST_F(Place, ARunWithoutACheckpointIsBegunAgainFromAnywhere) {
  begin("../texts/text.txt");
  fs::remove_all(run_folder() + "/tokens");
  fs::remove_all(run_folder() + "/checkpoints");  // as of a run that was killed early
  const Outcome resumed = resume(2);
  EXPECT_EQ(resumed.code, 0) << resumed.err;
  EXPECT_TRUE(fs::exists(run_folder() + "/checkpoints/step-00000002"));
}

TEST_F(Place, AResumeByTheRunsConfigLeavesItsBaseAlone) {
  begin();
  const std::vector<std::string> command{
      "train", run_folder() + "/config.json", "--run", run_folder(), "--resume", "--set", "train.steps=4"};
  const Outcome resumed = elsewhere(command);
  EXPECT_EQ(resumed.code, 0) << resumed.err;
  fs::remove_all(run_folder() + "/tokens");  // so that the text is read
  fs::remove_all(run_folder() + "/checkpoints/step-00000002");
  const Outcome scored = elsewhere({"eval", run_folder()});
  EXPECT_EQ(scored.code, 0) << scored.err;
  EXPECT_EQ(elsewhere({"train", run_folder() + "/config.json", "--resume", "--set", "train.steps=6"}).code, 0);
  EXPECT_TRUE(fs::exists(run_folder() + "/checkpoints/step-00000006"));
}

TEST_F(Place, AConfigFromElsewhereFindsWhatTheRunFound) {
  begin();
  fs::remove_all(run_folder() + "/tokens");
  const std::string config = scratch_.path("project/configs/tales.json").string();
  const Outcome resumed = elsewhere({"train", config, "--run", run_folder(), "--resume", "--set", "train.steps=3"});
  EXPECT_EQ(resumed.code, 0) << resumed.err;
  EXPECT_EQ(resume(4).code, 0);
}

TEST_F(Place, ARunThatMovesWithItsTextIsFoundInTheWorkingDirectory) {
  begin();
  fs::remove_all(run_folder() + "/tokens");
  fs::rename(scratch_.path("project"), scratch_.path("moved"));
  const Outcome resumed = run_kiln({"train", "run", "--resume", "--set", "train.steps=3"}, "", scratch_.path("moved"));
  EXPECT_EQ(resumed.code, 0) << resumed.err;
}

TEST_F(Place, TextThatHasChangedOrGoneLeavesTheRunItsTokens) {
  for (const bool gone : {false, true}) {
    begin();
    const std::string before = elsewhere({"eval", run_folder(), "--checkpoint", "latest", "--json"}).out;
    if (gone) {
      fs::remove_all(scratch_.path("project/texts"));
    } else {
      change_text();
    }
    const auto loss = [](const std::string& json) { return nlohmann::json::parse(json)["loss"]; };
    const Outcome scored = elsewhere({"eval", run_folder(), "--checkpoint", "latest", "--json"});
    ASSERT_EQ(scored.code, 0) << scored.err;
    EXPECT_EQ(loss(scored.out), loss(before));
    const Outcome resumed = resume(4);
    EXPECT_EQ(resumed.code, 0) << resumed.err;
    EXPECT_THAT(resumed.err, HasSubstr(gone ? "no file matches" : "hold other tokens now"));
    EXPECT_THAT(resumed.err, HasSubstr("continues with its own tokens, in " + run_folder() + "/tokens; --retokenize"));

    const std::string disturbed = read_file(run_folder() + "/checkpoints/step-00000004/model.safetensors");
    fs::remove_all(run_folder());
    begin();
    EXPECT_EQ(resume(4).code, 0);
    EXPECT_EQ(disturbed, read_file(run_folder() + "/checkpoints/step-00000004/model.safetensors"));
    fs::remove_all(scratch_.path("project"));
    fs::remove_all(scratch_.path("elsewhere"));
  }
}

TEST_F(Place, ARunIsRetokenizedWhereThatIsAskedFor) {
  begin();
  change_text();
  const Outcome resumed = resume(4, {"--retokenize"});
  EXPECT_EQ(resumed.code, 0) << resumed.err;
  EXPECT_THAT(resumed.err, HasSubstr("step 2: the run continues with other data"));
  const Outcome later = resume(5);
  EXPECT_EQ(later.code, 0) << later.err;
  EXPECT_THAT(later.err, Not(HasSubstr("warning")));
  fs::remove_all(scratch_.path("project/texts"));
  EXPECT_EQ(resume(6, {"--retokenize"}).code, 2);
  const Outcome fresh =
      run_kiln({"train", "configs/tales.json", "--run", "new", "--retokenize"}, "", scratch_.path("project"));
  EXPECT_EQ(fresh.code, 2);
  EXPECT_THAT(fresh.err, HasSubstr("--retokenize is for --resume"));
}

TEST_F(Place, OtherDataThatIsAskedForIsNotPassedOver) {
  begin();
  const std::string other = "data.train=" + scratch_.write("other.txt", testing::counting_text(80));
  const Outcome refused = resume(4, {"--set", other});
  EXPECT_EQ(refused.code, 2);
  EXPECT_THAT(refused.err, HasSubstr("continue with the data as it is by --retokenize"));
  EXPECT_EQ(resume(4, {"--set", other, "--retokenize"}).code, 0);
}

TEST_F(Place, ARunDirectoryIsSaidToBeOne) {
  begin();
  const Outcome fresh = elsewhere({"train", run_folder()});
  EXPECT_EQ(fresh.code, 2);
  EXPECT_THAT(fresh.err, HasSubstr("holds a run already; kiln train --resume continues it"));
  const Outcome two = elsewhere({"train", run_folder(), "--run", "other", "--resume"});
  EXPECT_EQ(two.code, 2);
  EXPECT_THAT(two.err, HasSubstr("is a run directory, and --run names another"));
  const Outcome none = elsewhere({"train", scratch_.path("project").string()});
  EXPECT_EQ(none.code, 2);
  EXPECT_THAT(none.err, HasSubstr("project: is a folder, but not a run directory; to continue a run in it:\n"
                                  "  kiln train " +
                                  run_folder() + " --resume\nto write a config for its texts and train:\n"));
  EXPECT_THAT(none.err, HasSubstr("kiln new --data " + scratch_.path("project").string() + " && kiln train "));
  const Outcome no_run = elsewhere({"train", scratch_.path("project/texts").string()});
  EXPECT_THAT(no_run.err,
              HasSubstr("is a folder, but not a run directory; to write a config for its texts and train:"));
  const std::string copy = scratch_.path("model").string();
  fs::copy(find_model_folder(run_folder()), copy);
  const Outcome model = elsewhere({"train", copy});
  EXPECT_EQ(model.code, 2);
  EXPECT_THAT(model.err, HasSubstr("is a model, not a run directory; to train it further:"));
  EXPECT_EQ(elsewhere({"plan", run_folder()}).code, 0);
}

TEST_F(Place, ACheckpointNamesTheRunThatIsResumed) {
  begin();
  const std::string command = "to continue it:\n  kiln train " + run_folder() + " --resume\n";
  for (const char* name : {"", "latest", "best/", "step-00000000"}) {
    const Outcome outcome = elsewhere({"train", run_folder() + "/checkpoints/" + name, "--resume"});
    EXPECT_EQ(outcome.code, 2) << name;
    EXPECT_THAT(outcome.err, HasSubstr("belongs to the run " + run_folder() + "; " + command)) << name;
  }
  const std::string model = find_model_folder(run_folder()).string();
  EXPECT_THAT(elsewhere({"train", model}).err, HasSubstr("\n  kiln train --init-from " + model + " --data FILES\n"));
}

TEST_F(Place, ATextThatHasGoneIsNamedWithWhatNeedsNone) {
  begin();
  EXPECT_EQ(elsewhere({"data", "show", run_folder()}).code, 0);
  fs::rename(scratch_.path("project/texts"), scratch_.path("moved"));
  for (const std::string& named : {run_folder(), run_folder() + "/config.json"}) {
    const Outcome outcome = elsewhere({"data", "show", named});
    EXPECT_EQ(outcome.code, 2);
    EXPECT_THAT(outcome.err, HasSubstr(named + ": the run's text " + scratch_.path("project/texts/*.txt").string() +
                                       " has gone; name its new place with --set data.train=FILE; the run keeps its "
                                       "tokens: kiln eval " +
                                       run_folder() + " and kiln train " + run_folder() + " --resume need no text"));
  }
  EXPECT_EQ(elsewhere({"eval", run_folder()}).code, 0);
  const std::string moved = "data.train=" + scratch_.path("moved/text.txt").string();
  EXPECT_EQ(elsewhere({"data", "show", run_folder(), "--set", moved}).code, 0);
}

TEST_F(Place, AFileIsNoRunDirectory) {
  begin();
  const std::string file = scratch_.write("notes.txt", "text");
  for (const char* more : {"--overwrite", "--resume", "--resume=auto"}) {
    const Outcome outcome =
        run_kiln({"train", "configs/tales.json", "--run", file, more}, "", scratch_.path("project"));
    EXPECT_EQ(outcome.code, 2) << more;
    EXPECT_THAT(outcome.err, HasSubstr("notes.txt: is a file; a folder is expected; choose another")) << more;
  }
}

}  // namespace
}  // namespace kiln
