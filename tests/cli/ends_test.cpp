// One rule for the tokens that begin and end texts, from a finetuning's documents to its samples and exports.
#include "kiln/core/file.h"
#include "kiln/data/token_file.h"
#include "kiln/run/model_loader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "cli/small_run.h"
#include <algorithm>
#include <string>

namespace kiln {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::Outcome;
using testing::run_kiln;
using testing::SmallRun;

const std::vector<std::string> kChatTokens{"--set", R"(tokenizer.special_tokens=["<|endoftext|>","<|im_end|>"])"};

std::vector<std::string> with(std::vector<std::string> words, const std::vector<std::string>& more) {
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

void change_json(const fs::path& path, const std::function<void(Json&)>& change) {
  Json json = path_exists(path) ? Json::parse(read_file(path)) : Json::object();
  change(json);
  write_file_atomically(path, json.dump());
}

/// A model whose vocabulary has <|endoftext|> (256) and <|im_end|> (257) as a Hugging Face folder.
struct ChatModel {
  SmallRun run;
  fs::path folder = run.scratch.path("model");

  explicit ChatModel(const std::vector<std::string>& tokens = kChatTokens) {
    EXPECT_EQ(run.train(with({"--set", "train.steps=1"}, tokens)).code, 0);
    EXPECT_EQ(run_kiln({"export", run.folder, "--to", "hf", "--output", folder.string()}).code, 0);
  }

  void set_end(const char* file, const Json& ids) const {
    change_json(folder / file, [&](Json& json) { json["eos_token_id"] = ids; });
  }

  /// The folder's config.json and generation_config.json name these.
  void set_ends(const Json& ids) const {
    for (const char* file : {"config.json", "generation_config.json"}) set_end(file, ids);
  }

  /// A config that trains on from the folder, on documents of one line each.
  std::string finetuning(const Json& keys = Json::object()) const {
    std::string lines;
    for (int i = 0; i < 100; ++i) {
      for (const char* text : {"cats purr", "dogs bark", "owls hoot"}) lines += Json{{"text", text}}.dump() + "\n";
    }
    Json config = Json::parse(read_file(run.config));
    config.erase("model");
    config.erase("tokenizer");
    config["init_from"] = folder.string();
    config["data"]["train"] = {run.scratch.write("lines.jsonl", lines)};
    config["train"]["eval_every"] = 0;
    config.merge_patch(keys);
    return run.scratch.write("finetune.json", config.dump());
  }

  std::string tuned() const { return run.scratch.path("tuned").string(); }
};

/// How often a token stands among those that a run is trained on.
std::ptrdiff_t count_in_tokens(const std::string& run, TokenId token) {
  for (const auto& entry : fs::directory_iterator(fs::path(run) / "tokens")) {
    if (!entry.path().filename().string().starts_with("train-")) continue;
    const TokenFile file(entry.path());
    std::vector<TokenId> ids(static_cast<std::size_t>(file.size()));
    file.read(0, file.size(), ids.data());
    return std::ranges::count(ids, token);
  }
  return -1;
}

TEST(Ends, AFinetunedModelStopsAtTheEndThatItLearned) {
  const ChatModel model;
  model.set_ends(257);
  const Outcome trained = run_kiln({"train", model.finetuning(), "--run", model.tuned(), "--set", "train.steps=300"});
  ASSERT_EQ(trained.code, 0) << trained.err;
  EXPECT_THAT(trained.err, HasSubstr("documents end with <|im_end|> (id 257)"));
  EXPECT_EQ(count_in_tokens(model.tuned(), 256), 0);
  EXPECT_GE(count_in_tokens(model.tuned(), 257), 269);
  const Outcome sample = run_kiln({"sample", model.tuned(), "cats", "--greedy", "--json"});
  ASSERT_EQ(sample.code, 0) << sample.err;
  EXPECT_THAT(sample.out, AllOf(HasSubstr("\" purr\""), HasSubstr("\"end\"")));
  EXPECT_EQ(Json::parse(read_file(model.tuned() + "/config.json"))["tokenizer"]["end_of_text"], "<|im_end|>");
}

TEST(Ends, AResumeKeepsTheRule) {
  const ChatModel model;
  model.set_ends(257);
  const std::string config = model.finetuning();
  ASSERT_EQ(run_kiln({"train", config, "--run", model.tuned(), "--set", "train.steps=2"}).code, 0);
  model.set_ends(256);
  const Outcome resumed = run_kiln({"train", config, "--run", model.tuned(), "--set", "train.steps=4", "--resume"});
  EXPECT_EQ(resumed.code, 0) << resumed.err;
  EXPECT_EQ(load_model(model.tuned()).ids().end, 257);
  const Outcome changed = run_kiln({"train", config, "--run", model.tuned(), "--set", "train.steps=6", "--set",
                                    "tokenizer.end_of_text=<|endoftext|>", "--resume"});
  EXPECT_EQ(changed.code, 2);
  EXPECT_THAT(changed.err, HasSubstr("/tokenizer/end_of_text: \"<|im_end|>\" -> \"<|endoftext|>\""));
}

/// As a run of before the key: its config.json names one end, its documents end with <|endoftext|>.
TEST(Ends, AnOlderRunKeepsItsTokens) {
  const SmallRun run;
  ASSERT_EQ(run.train(with({"--set", "train.steps=2"}, kChatTokens)).code, 0);
  for (const auto& entry : fs::directory_iterator(run.folder + "/checkpoints")) {
    if (!entry.is_directory()) continue;
    const fs::path& folder = entry.path();
    change_json(folder / "kiln.json", [](Json& json) {
      json["config"]["tokenizer"].erase("end_of_text");
      json["config"]["tokenizer"].erase("start_of_text");
    });
    const Json config = Json::parse(read_file(folder / "kiln.json"))["config"];
    change_json(folder / "manifest.json", [&](Json& json) {
      json["files"]["kiln.json"] = {{"size", fs::file_size(folder / "kiln.json")},
                                    {"xxh3", hex(hash_file(folder / "kiln.json"))}};
      json["config_xxh3"] = hex(hash_bytes(config.dump()));
    });
  }
  change_json(run.folder + "/config.json", [](Json& json) {
    json["tokenizer"].erase("end_of_text");
    json["tokenizer"].erase("start_of_text");
  });
  const Outcome resumed = run.train(with({"--resume", "--set", "train.steps=4"}, kChatTokens));
  EXPECT_EQ(resumed.code, 0) << resumed.err;
  EXPECT_THAT(resumed.err, HasSubstr("resuming at step 2"));
  EXPECT_EQ(load_model(run.folder).ids().end, 256);
}

TEST(Ends, SeveralEndTokensSurviveImportTrainingAndExport) {
  const ChatModel model;
  model.set_end("config.json", {10, 257});
  model.set_end("generation_config.json", {256, 257});
  change_json(model.folder / "tokenizer_config.json", [](Json& json) { json["eos_token"] = "<|im_end|>"; });
  const std::string imported = model.run.scratch.path("imported").string();
  ASSERT_EQ(run_kiln({"import", model.folder.string(), "--run", imported}).code, 0);
  const Outcome trained = run_kiln({"train", model.finetuning(), "--run", model.tuned(), "--set", "train.steps=2"});
  ASSERT_EQ(trained.code, 0) << trained.err;
  const fs::path copy = model.run.scratch.path("copy");
  ASSERT_EQ(run_kiln({"export", model.tuned(), "--to", "hf", "--output", copy.string()}).code, 0);
  for (const std::string& from : {model.folder.string(), imported, model.tuned(), copy.string()}) {
    const SpecialIds ids = load_model(from).ids();
    EXPECT_THAT(ids.ends, ElementsAre(257, 10, 256)) << from << ": that of tokenizer_config.json first";
    EXPECT_EQ(ids.end, 257) << from;
  }
  for (const char* file : {"config.json", "generation_config.json"}) {
    EXPECT_EQ(Json::parse(read_file(copy / file))["eos_token_id"], (Json{257, 10, 256})) << file;
  }
}

TEST(Ends, ABeginThatTheTokenizerAddsIsAddedInTrainingAndSampling) {
  const ChatModel model({"--set", R"(tokenizer.special_tokens=["<s>","</s>"])", "--set", "tokenizer.end_of_text=</s>"});
  change_json(model.folder / "config.json", [](Json& json) { json["bos_token_id"] = 256; });
  change_json(model.folder / "tokenizer_config.json", [](Json& json) { json["add_bos_token"] = true; });
  EXPECT_EQ(load_model(model.folder.string()).ids().marks(), (DocumentMarks{256, 257}));
  const Outcome trained = run_kiln({"train", model.finetuning(), "--run", model.tuned(), "--set", "train.steps=2"});
  ASSERT_EQ(trained.code, 0) << trained.err;
  EXPECT_THAT(trained.err, HasSubstr("documents begin with <s> (id 256) and end with </s> (id 257)"));
  EXPECT_GE(count_in_tokens(model.tuned(), 256), 269);
  EXPECT_GE(count_in_tokens(model.tuned(), 257), 269);
}

TEST(Ends, FromNothingTheConfigNamesThem) {
  const SmallRun run;
  const Outcome trained = run.train({"--set", R"(tokenizer.special_tokens=["<s>","</s>"])", "--set",
                                     "tokenizer.start_of_text=<s>", "--set", "tokenizer.end_of_text=</s>"});
  ASSERT_EQ(trained.code, 0) << trained.err;
  EXPECT_THAT(trained.err, AllOf(HasSubstr("documents begin with <s> (id 256)"), Not(HasSubstr("</s> (id"))))
      << "one document is not ended";
  const Json config = Json::parse(read_file(fs::path(run.folder) / "checkpoints/step-00000020/config.json"));
  EXPECT_EQ(config["bos_token_id"], 256);
  EXPECT_EQ(config["eos_token_id"], 257);
  const Outcome other = SmallRun().train({"--set", "tokenizer.type=bpe", "--set", "tokenizer.end_of_text=</s>"});
  EXPECT_EQ(other.code, 2);
  EXPECT_THAT(other.err, HasSubstr("tokenizer.end_of_text: \"</s>\" is not one of tokenizer.special_tokens"));
}

TEST(Ends, AModelOfAnotherVocabularyAndNoEndOfThatNameEndsItsDocumentsAllTheSame) {
  const ChatModel model({"--set", R"(tokenizer.special_tokens=["<s>","</s>"])"});
  EXPECT_EQ(load_model(model.folder.string()).ids().end, std::nullopt);
  model.set_ends(257);
  const Outcome trained = run_kiln({"train", model.finetuning(), "--run", model.tuned(), "--set", "train.steps=2"});
  ASSERT_EQ(trained.code, 0) << trained.err;
  EXPECT_GE(count_in_tokens(model.tuned(), 257), 269);
}

}  // namespace
}  // namespace kiln
