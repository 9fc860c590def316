// Every kind of damage to a run is found, named, and told from what a crash may leave.
#include "kiln/run/verify.h"

#include "kiln/core/file.h"
#include "kiln/core/file_streams.h"
#include "kiln/run/checkpoint_store.h"
#include "kiln/run/metrics.h"
#include "kiln/run/run_directory.h"
#include "kiln/tensor/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "support/error_parts.h"
#include "support/scratch.h"
#include "support/small_checkpoint.h"

namespace kiln {
namespace {

namespace fs = std::filesystem;

using ::testing::ElementsAre;
using testing::expect_error_with;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::Scratch;
using testing::SmallTraining;

std::vector<std::string> texts(const std::vector<FileProblem>& problems) {
  std::vector<std::string> found;
  for (const FileProblem& problem : problems) found.push_back(to_string(problem));
  return found;
}

MetricsRow row_of(std::int64_t step) {
  MetricsRow r;
  r.step = step;
  return r;
}

class Verify : public ::testing::Test {
 protected:
  Verify() {
    for (const std::int64_t step : {0, 10, 20}) {
      save_checkpoint(paths_.checkpoints(), training_.contents(step), step == 10, 100);
    }
    MetricsWriter metrics(paths_.metrics());
    for (const std::int64_t step : {5, 10, 15, 20, 25}) metrics.append(row_of(step));
  }

  fs::path step(std::int64_t step) const { return paths_.checkpoints() / checkpoint_name(step); }

  std::vector<std::string> problems_of(std::int64_t at) const { return texts(examine_checkpoint(step(at)).problems); }

  /// Changes a file and the manifest with it, so that only the contents can tell.
  void rewrite(const std::string& name, const std::string& bytes) const {
    write_file_synced(step(20) / name, bytes);
    Manifest manifest = read_manifest(step(20));
    manifest.files[name] = {bytes.size(), hash_bytes(bytes)};
    write_file_synced(step(20) / kManifestFile, format_manifest(manifest));
  }

  Json read_json(const std::string& name) const { return parse_json(read_file(step(20) / name), name); }

  Scratch scratch_;
  RunPaths paths_{scratch_.path("run")};
  SmallTraining training_;
};

TEST_F(Verify, AWholeRunIsGood) {
  const RunReport report = examine(paths_.root);
  EXPECT_TRUE(report.is_good());
  EXPECT_EQ(report.checkpoints.size(), 3u);
  for (const CheckpointReport& checkpoint : report.checkpoints) EXPECT_THAT(texts(checkpoint.problems), IsEmpty());
  ASSERT_EQ(report.pointers.size(), 2u);
  EXPECT_EQ(report.pointers[0].target, "step-00000020");
  EXPECT_EQ(report.pointers[1].target, "step-00000010");
  EXPECT_EQ(report.metrics->rows, 5u);
  EXPECT_EQ(report.metrics->first_step, 5);
  EXPECT_EQ(report.metrics->last_step, 25);
  EXPECT_THAT(report.temporaries, IsEmpty());
}

TEST_F(Verify, EveryFamilyOfModelsIsGood) {
  for (const ModelConfig& model : {testing::small_llama(6), testing::small_modern()}) {
    SmallTraining other(model);
    const fs::path folder = save_checkpoint(scratch_.path("other"), other.contents(3), false, 3);
    EXPECT_THAT(texts(examine_checkpoint(folder).problems), IsEmpty());
  }
}

TEST_F(Verify, EveryDamagedFileOfACheckpointIsNamedNotTheFirstAlone) {
  fs::resize_file(step(20) / "model.safetensors", 100);
  fs::remove(step(20) / "trainer.json");
  std::string flipped = read_file(step(20) / "optimizer.safetensors");
  flipped.back() ^= 1;
  write_file_synced(step(20) / "optimizer.safetensors", flipped);
  EXPECT_THAT(problems_of(20), ElementsAre(HasSubstr("model.safetensors: has 100 bytes, the manifest says "),
                                           HasSubstr("optimizer.safetensors: the checksum is "),
                                           HasSubstr("trainer.json: is missing, the manifest lists it")));
  EXPECT_THAT(problems_of(10), IsEmpty());
  EXPECT_FALSE(examine(paths_.root).is_good());
}

TEST_F(Verify, WithoutAManifestThatCanBeReadNothingElseIsSaid) {
  fs::remove(step(10) / kManifestFile);
  EXPECT_THAT(problems_of(10), ElementsAre(HasSubstr("the checkpoint was not finished")));
  write_file_synced(step(20) / kManifestFile, R"({"format_version": 9})");
  EXPECT_THAT(problems_of(20), ElementsAre(HasSubstr("manifest.json: written in format 9")));
}

TEST_F(Verify, ShapesThatTheConfigDoesNotDescribeAreFoundBehindSoundChecksums) {
  SmallTraining wider(testing::small_llama());
  write_checkpoint_folder(fs::path(scratch_.write("wide/x", "")).parent_path(), wider.contents(20));
  for (const char* name : {"model.safetensors", "optimizer.safetensors"}) {
    rewrite(name, read_file(scratch_.path("wide") / name));
  }
  EXPECT_THAT(problems_of(20), ElementsAre(HasSubstr("model.safetensors: the tensors are not those that the config"),
                                           HasSubstr("optimizer.safetensors: ")));
}

TEST_F(Verify, AnotherOptimizersMomentsAreFound) {
  const TensorSource one{"wte.weight.m", {11, 8}, as_const(training_.m.mat(training_.m.layout().find("wte.weight")))};
  write_safetensors(scratch_.path("one"), std::span(&one, 1));
  rewrite("optimizer.safetensors", read_file(scratch_.path("one")));
  EXPECT_THAT(problems_of(20), ElementsAre(HasSubstr("is missing; was it saved by another optimizer?")));
}

TEST_F(Verify, AConfigOrTokenizerOfAnotherRunIsFoundBehindSoundChecksums) {
  Json config = read_json("kiln.json");
  config["config"]["seed"] = 77;
  rewrite("kiln.json", format_json(config));
  rewrite("tokenizer.json", format_tokenizer_json(NoneTokenizer(12)));
  const std::vector<std::string> problems = problems_of(20);
  ASSERT_EQ(problems.size(), 3u);
  EXPECT_THAT(problems[0], HasSubstr("kiln.json: the config's checksum is "));
  EXPECT_THAT(problems[1], HasSubstr("tokenizer.json: the checksum is "));
  EXPECT_THAT(problems[2], HasSubstr("tokenizer.json: has 12 entries, the model's embedding has 11 rows"));
}

TEST_F(Verify, AnObjectiveThatMakesAnotherKindOfModelIsFound) {
  SmallTraining language, reward(testing::scoring(testing::small_gpt2()));
  language.config.objective.type = ObjectiveKind::reward;
  reward.config.objective.type = ObjectiveKind::dpo;
  const auto problems = [&](const char* name, SmallTraining& training) {
    return texts(examine_checkpoint(save_checkpoint(scratch_.path(name), training.contents(3), false, 3)).problems);
  };
  EXPECT_THAT(problems("language", language),
              ElementsAre(HasSubstr("config.json: is of a language model, objective.type reward in kiln.json makes a "
                                    "reward model; take another checkpoint")));
  EXPECT_THAT(problems("reward", reward),
              ElementsAre(HasSubstr("config.json: is of a reward model, objective.type dpo in kiln.json makes a "
                                    "language model")));
}

TEST_F(Verify, AStepThatIsNotTheFoldersIsFound) {
  fs::rename(step(20), step(21));
  EXPECT_THAT(problems_of(21),
              ElementsAre("manifest.json: is of step 20, the folder is named for 21; rename the folder "
                          "to step-00000020"));
  fs::rename(step(21), step(20));
  Json state = read_json("trainer.json");
  state["step"] = 19;
  rewrite("trainer.json", format_json(state));
  EXPECT_THAT(problems_of(20), ElementsAre(HasSubstr("trainer.json: is of step 19, the manifest of 20")));
}

TEST_F(Verify, AManifestThatLeadsOutOfTheFolderIsFound) {
  Manifest manifest = read_manifest(step(20));
  manifest.files["../outside"] = {1, 1};
  write_file_synced(step(20) / kManifestFile, format_manifest(manifest));
  EXPECT_THAT(problems_of(20), ElementsAre(HasSubstr("\"../outside\" leads out of the folder")));
}

TEST_F(Verify, PointersThatPointNowhereAreFound) {
  write_file_synced(paths_.checkpoints() / "latest", "step-00000099\n");
  fs::remove(paths_.checkpoints() / "best");
  RunReport report = examine(paths_.root);
  EXPECT_THAT(to_string(*report.pointers[0].problem), HasSubstr("latest: names \"step-00000099\""));
  EXPECT_FALSE(report.pointers[1].problem.has_value());  // a run that validates nothing has no best
  EXPECT_FALSE(report.is_good());
  fs::remove(paths_.checkpoints() / "latest");
  report = examine(paths_.root);
  EXPECT_THAT(to_string(*report.pointers[0].problem), HasSubstr("latest: is missing"));
  EXPECT_FALSE(report.is_good());
}

TEST_F(Verify, LinesOfMetricsThatAreNoRowsOrStandTwiceAreFound) {
  LineAppender lines(paths_.metrics());
  lines.append("{\"step\": 3");
  MetricsWriter(paths_.metrics()).append(row_of(25));
  const RunReport report = examine(paths_.root);
  EXPECT_THAT(texts(report.metrics->problems),
              ElementsAre(HasSubstr("metrics.jsonl: metrics.jsonl:6:"), HasSubstr("has step 25 after step 25")));
  EXPECT_FALSE(report.is_good());
}

TEST_F(Verify, APointerMayEndInAnyLineEnding) {
  write_file_synced(paths_.checkpoints() / "latest", "step-00000020\r\n");
  const RunReport report = examine(paths_.root);
  EXPECT_TRUE(report.is_good());
  EXPECT_EQ(report.pointers[0].target, "step-00000020");
}

TEST_F(Verify, WhatACrashMayLeaveIsToldAndIsNoFault) {
  write_file_synced(paths_.metrics(), read_file(paths_.metrics()) + "{\"step\": 3");
  fs::create_directory(paths_.checkpoints() / ".tmp-step-00000030");
  const RunReport report = examine(paths_.root);
  EXPECT_TRUE(report.is_good());
  EXPECT_TRUE(report.metrics->ends_within_a_line);
  EXPECT_THAT(report.temporaries, ElementsAre(".tmp-step-00000030"));
}

TEST_F(Verify, ACheckpointFolderIsExaminedAlone) {
  const RunReport report = examine(step(10));
  EXPECT_TRUE(report.is_good());
  EXPECT_EQ(report.checkpoints.size(), 1u);
  EXPECT_FALSE(report.metrics.has_value());
}

TEST_F(Verify, WhatIsNoRunIsBadInput) {
  expect_error_with(ExitCode::bad_input, {"is neither a run directory"}, [&] { examine(scratch_.path()); });
  expect_error_with(ExitCode::bad_input, {"is not a folder"}, [&] { examine(scratch_.path("nothing")); });
}

TEST_F(Verify, ARunWithoutACheckpointIsNotGood) {
  fs::create_directories(scratch_.path("young/checkpoints"));
  EXPECT_FALSE(examine(scratch_.path("young")).is_good());
}

TEST_F(Verify, AManifestOfAnEarlierKilnWithoutHashesOfConfigAndTokenizerIsGood) {
  Manifest manifest = read_manifest(step(20));
  EXPECT_EQ(manifest.tokenizer, hash_file(step(20) / "tokenizer.json"));
  EXPECT_EQ(manifest.config, hash_config(config_to_json(training_.config)));
  manifest.config.reset();
  manifest.tokenizer.reset();
  write_file_synced(step(20) / kManifestFile, format_manifest(manifest));
  EXPECT_THAT(problems_of(20), IsEmpty());
}

}  // namespace
}  // namespace kiln
