// Adapters by command: trained, resumed, merged, used as any other model, and what happens without their base.
#include "kiln/core/file.h"
#include "kiln/core/json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "cli/echo_chats.h"
#include <filesystem>
#include <string>

namespace kiln {
namespace {

namespace fs = std::filesystem;

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::Outcome;

/// A base model of bytes, and adapters of it that were finetuned on conversations, with the tokens of chatml.
struct Adapted : testing::WorkingFolder {
  Adapted() {
    std::string text;
    for (int i = 0; i < 300; ++i) text += "say what you mean and mean what you say\n";
    for (int i = 0; i < 800; ++i) text += fmt::format("say {0} {0}{0}\n", static_cast<char>('a' + i % 4));
    scratch.write("text.txt", text);
    scratch.write("chats.jsonl", testing::echo_chats(80, 4));
    scratch.write("base.json", R"({"name": "base", "tokenizer": {"type": "byte"}, "data": {"train": ["text.txt"]},
      "model": {"n_layers": 2, "d_model": 32, "n_heads": 2, "n_ctx": 64, "dropout": 0},
      "optimizer": {"learning_rate": 0.01}, "schedule": {"warmup_steps": 2},
      "train": {"steps": 60, "batch_size": 4, "eval_every": 0, "threads": 2}})");
    scratch.write("lora.json", R"({"name": "lora", "init_from": "runs/base", "chat": {"template": "chatml"},
      "data": {"train": ["chats.jsonl"]}, "objective": {"type": "sft"}, "lora": {"rank": 16, "alpha": 32},
      "optimizer": {"type": "muon", "learning_rate": 0.02}, "schedule": {"warmup_steps": 2},
      "train": {"steps": 200, "batch_size": 4, "eval_every": 40, "threads": 2}})");
    EXPECT_EQ(kiln({"train", "base.json"}).code, 0);
    trained = kiln({"train", "lora.json"});
  }
  std::string checkpoint(const std::string& run) const {
    const fs::path checkpoints = scratch.path(run + "/checkpoints");
    return (checkpoints / read_file(checkpoints / "latest").substr(0, 13)).string();
  }
  Outcome trained;
};

const Adapted& adapted() {
  static const Adapted model;
  return model;
}

TEST(Lora, TrainsTheAdaptersAloneAndSavesNothingElse) {
  const Adapted& model = adapted();
  ASSERT_EQ(model.trained.code, 0) << model.trained.err;
  EXPECT_THAT(model.trained.err, AllOf(HasSubstr("parameters train (lora); the others stay as they are"),
                                       HasSubstr("2 tokens of the template chatml")));
  const fs::path folder = model.checkpoint("runs/lora");
  EXPECT_TRUE(path_exists(folder / "adapter_model.safetensors"));
  EXPECT_FALSE(path_exists(folder / "model.safetensors"));
  const Json config = Json::parse(read_file(folder / "adapter_config.json"));
  EXPECT_EQ(config["r"], 16);
  EXPECT_EQ(config["base_model_name_or_path"], model.checkpoint("runs/base"));
  EXPECT_EQ(model.kiln({"verify", "runs/lora"}).code, 0);
}

TEST(Lora, ARunOfAdaptersIsUsedAsAnyOtherModel) {
  const Adapted& model = adapted();
  EXPECT_EQ(model.kiln({"chat", "runs/lora", "--greedy"}, "say d\nsay b\n").out, "dd\nbb\n");
  const Json evaluation = Json::parse(model.kiln({"eval", "runs/lora", "--json"}).out);
  EXPECT_GT(evaluation["accuracy"], 0.9);
  EXPECT_EQ(model.kiln({"sample", "runs/lora", "say", "--max-tokens", "4"}).code, 0);
  EXPECT_EQ(model.kiln({"inspect", "runs/lora", "say"}).code, 0);
}

TEST(Lora, TheMergedModelAnswersAlike) {
  const Adapted& model = adapted();
  ASSERT_EQ(model.kiln({"merge", "runs/lora", "--output", "merged"}).code, 0);
  EXPECT_EQ(model.kiln({"chat", "merged", "--greedy"}, "say d\nsay b\n").out, "dd\nbb\n");
  const auto loss = [&](const std::string& run) {
    const Outcome outcome = model.kiln({"eval", run, "--data", "chats.jsonl", "--template", "chatml", "--json"});
    return Json::parse(outcome.out)["loss"].get<double>();
  };
  EXPECT_NEAR(loss("merged"), loss("runs/lora"), 1e-5);
  const Outcome again = model.kiln({"merge", "merged", "--output", "twice"});
  EXPECT_EQ(again.code, 2);
  EXPECT_THAT(again.err, HasSubstr("has no adapters to merge"));
}

TEST(Lora, AResumedRunEndsWithTheSameBytes) {
  const Adapted& model = adapted();
  for (const std::string precision : {"fp32", "bf16"}) {
    const std::string set = "train.precision=" + precision, whole = "runs/whole-" + precision,
                      parts = "runs/parts-" + precision;
    ASSERT_EQ(model.kiln({"train", "lora.json", "--run", whole, "--set", set, "--set", "train.steps=30"}).code, 0);
    ASSERT_EQ(model
                  .kiln({"train", "lora.json", "--run", parts, "--set", set, "--set", "train.steps=30", "--set",
                         "train.checkpoint_every=13"})
                  .code,
              0);
    const fs::path checkpoints = model.scratch.path(parts + "/checkpoints");
    fs::remove_all(checkpoints / "step-00000030");
    fs::remove_all(checkpoints / "step-00000026");
    const Outcome resumed = model.kiln({"train", parts, "--resume"});
    ASSERT_EQ(resumed.code, 0) << resumed.err;
    EXPECT_THAT(resumed.err, HasSubstr("resuming at step 13"));
    for (const std::string file : {"adapter_model.safetensors", "optimizer.safetensors"}) {
      EXPECT_TRUE(read_file(model.scratch.path(whole + "/checkpoints/step-00000030/" + file)) ==
                  read_file(checkpoints / "step-00000030" / file))
          << precision << " " << file;
    }
  }
}

TEST(Lora, AdaptersNeedTheirBaseAsItWas) {
  const Adapted model;
  const fs::path base = model.scratch.path("runs/base"), away = model.scratch.path("away");
  fs::rename(base, away);
  const Outcome missing = model.kiln({"chat", "runs/lora"}, "say d\n");
  EXPECT_EQ(missing.code, 3) << missing.err;
  EXPECT_THAT(missing.err,
              AllOf(HasSubstr("holds adapters, which need their base model"), HasSubstr("does not exist")));
  const Outcome sound = model.kiln({"verify", "runs/lora"});
  EXPECT_EQ(sound.code, 1);
  EXPECT_THAT(sound.out, AllOf(HasSubstr("sound, but its base model is not as it was\n  " + base.string()),
                               HasSubstr(": does not exist, the adapters need it as it was; put it back, or leave a "
                                         "link to it there\n"),
                               Not(HasSubstr("damaged"))));
  EXPECT_EQ(model.kiln({"train", "base.json", "--set", "seed=5"}).code, 0);
  const Outcome changed = model.kiln({"chat", "runs/lora"}, "say d\n");
  EXPECT_EQ(changed.code, 3) << changed.err;
  EXPECT_THAT(changed.err, HasSubstr("has other weights now (hash "));
  const Json report = Json::parse(model.kiln({"verify", "runs/lora", "--json"}).out)["checkpoints"].back();
  EXPECT_EQ(report["good"], false);
  EXPECT_EQ(report["problems"], Json::array());
  EXPECT_THAT(report["base"]["found"].get<std::string>(), HasSubstr("has other weights now (hash "));
  EXPECT_EQ(report["base"]["remedy"], "put the model back that was there, or train the adapters again");
  fs::remove_all(base);
  fs::rename(away, base);
  EXPECT_EQ(model.kiln({"chat", "runs/lora", "--greedy"}, "say d\n").out, "dd\n");
  for (const char* file : {"kiln.json", "config.json"}) fs::remove(fs::path(model.checkpoint("runs/base")) / file);
  EXPECT_THAT(model.kiln({"verify", "runs/lora"}).out,
              AllOf(HasSubstr("step-00000060: cannot be read: "), Not(HasSubstr("damaged"))));
}

TEST(Lora, AForeignFolderOfAdaptersIsReadBesideItsBase) {
  const Adapted& model = adapted();
  const fs::path folder = model.scratch.path("foreign");
  fs::create_directory(folder);
  const fs::path from = model.checkpoint("runs/lora");
  for (const char* file : {"adapter_config.json", "adapter_model.safetensors", "tokenizer.json",
                           "tokenizer_config.json", "chat_template.jinja"}) {
    fs::copy_file(from / file, folder / file);
  }
  EXPECT_EQ(model.kiln({"chat", "foreign", "--greedy"}, "say d\nsay b\n").out, "dd\nbb\n");
  Json config = Json::parse(read_file(folder / "adapter_config.json"));
  config["trainable_token_indices"] = {{"wte", {5, 6}}};
  model.scratch.write("foreign/adapter_config.json", config.dump());
  EXPECT_THAT(model.kiln({"chat", "foreign"}, "say d\n").err,
              HasSubstr("ends at 7, and the base model has 257 tokens"));
  config["base_model_name_or_path"] = "someone/some-model";
  model.scratch.write("foreign/adapter_config.json", config.dump());
  const Outcome lost = model.kiln({"chat", "foreign"}, "say d\n");
  EXPECT_EQ(lost.code, 3);
  EXPECT_THAT(lost.err, HasSubstr("\"someone/some-model\" is no model on this machine"));
}

TEST(Lora, AFolderThatIsItsOwnBaseIsRefused) {
  const Adapted& model = adapted();
  const fs::path folder = model.scratch.path("circle");
  fs::create_directory(folder);
  const fs::path from = model.checkpoint("runs/lora");
  fs::copy_file(from / "adapter_model.safetensors", folder / "adapter_model.safetensors");
  Json config = Json::parse(read_file(from / "adapter_config.json"));
  config["base_model_name_or_path"] = folder.string();
  model.scratch.write("circle/adapter_config.json", config.dump());
  const Outcome outcome = model.kiln({"sample", "circle", "say"});
  EXPECT_EQ(outcome.code, 3);
  EXPECT_THAT(outcome.err, HasSubstr("is it its own base?"));
}

TEST(Lora, AdaptersMayBeTheBaseOfFurtherTraining) {
  const Adapted& model = adapted();
  const Outcome more = model.kiln({"train", "lora.json", "--run", "runs/more", "--set", "init_from=runs/lora", "--set",
                                   "train.steps=4", "--set", "lora.rank=2"});
  ASSERT_EQ(more.code, 0) << more.err;
  EXPECT_THAT(more.err, Not(HasSubstr("the vocabulary lacks")));
  EXPECT_EQ(model.kiln({"chat", "runs/more", "--greedy"}, "say d\n").out, "dd\n");
}

TEST(Lora, WithoutABaseTheSeedsInitialWeightsAreIt) {
  const Adapted& model = adapted();
  ASSERT_EQ(model.kiln({"train", "base.json", "--run", "runs/random", "--set", "lora.rank=4"}).code, 0);
  EXPECT_EQ(model.kiln({"sample", "runs/random", "say", "--max-tokens", "4"}).code, 0);
  EXPECT_EQ(model.kiln({"verify", "runs/random"}).code, 0);
}

TEST(Lora, ATargetThatNamesNoLayerIsRefused) {
  const Outcome outcome =
      adapted().kiln({"train", "lora.json", "--run", "runs/none", "--set", R"(lora.targets=["h.*.attn.*","attn"])"});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("lora.targets: no linear layer's weight is named \"attn\""));
}

TEST(Lora, TheSeedOfARandomBaseIsKept) {
  const Adapted& model = adapted();
  ASSERT_EQ(model.kiln({"train", "base.json", "--run", "runs/seeded", "--set", "lora.rank=4"}).code, 0);
  const Outcome outcome = model.kiln({"train", "runs/seeded", "--resume", "--set", "seed=2"});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("/seed: 1337 -> 2"));
}

TEST(Lora, MergingDoesNotReplaceTheBase) {
  const Adapted& model = adapted();
  ASSERT_EQ(model.kiln({"export", "runs/base", "--to", "hf", "--output", "hf"}).code, 0);
  ASSERT_EQ(
      model.kiln({"train", "lora.json", "--run", "runs/of-hf", "--set", "init_from=hf", "--set", "train.steps=2"}).code,
      0);
  const Outcome outcome = model.kiln({"merge", "runs/of-hf", "--output", "hf", "--overwrite"});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("is the base model of these adapters"));
}

TEST(Lora, OtherAdaptersThanTheRunsAreRefusedOnResume) {
  const Adapted& model = adapted();
  const Outcome outcome = model.kiln({"train", "lora.json", "--run", "runs/lora", "--resume", "--set", "lora.rank=4"});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("/lora/rank: 16 -> 4"));
}

}  // namespace
}  // namespace kiln
