// Learning from judged answers by command: ranking by a rule, a reward model, DPO, best of n, comparing.
#include "kiln/core/file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "cli/on_terminal.h"
#include "cli/small_run.h"
#include <algorithm>
#include <cmath>
#include <csignal>
#include <filesystem>
#include <string>
#include <vector>

namespace kiln {
namespace {

using ::testing::AllOf;
using testing::at_terminal;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::OnTerminal;
using testing::Outcome;
using testing::run_kiln;
using testing::Scratch;

constexpr const char* kModel =
    R"("model": {"n_layers": 1, "d_model": 32, "n_heads": 2, "n_ctx": 64, "dropout": 0, "activation": "gelu_new"})";

/// A model of bytes that answers a question by one of two letters, and answers of it that a rule has ranked: b before
/// a.
struct Ranked {
  Ranked() {
    std::string chats, prompts;
    for (int i = 0; i < 160; ++i) {
      const char answer = i % 2 == 0 ? 'a' : 'b', word = static_cast<char>('p' + i / 2 % 8);
      chats += fmt::format(R"({{"prompt":"say {}","completion":"{} {}"}})"
                           "\n",
                           word, answer, word);
    }
    for (int i = 0; i < 8; ++i) prompts += fmt::format("say {}\n", static_cast<char>('p' + i));
    scratch.write("chats.jsonl", chats);
    scratch.write("prompts.txt", prompts);
    scratch.write("rule.json", R"({"patterns": [{"pattern": "^b", "score": 1}]})");
    scratch.write("sft.json", R"({"name": "sft", "tokenizer": {"type": "byte", "special_tokens": []},
      "chat": {"template": "chatml"}, "data": {"train": ["chats.jsonl"]}, "objective": {"type": "sft"}, )" +
                                  std::string(kModel) + R"(,
      "optimizer": {"learning_rate": 0.01}, "schedule": {"warmup_steps": 2},
      "train": {"steps": 150, "batch_size": 4, "eval_every": 0, "threads": 2}})");
    scratch.write("tune.json", R"({"name": "tune", "init_from": "runs/sft", "data": {"train": ["rankings.jsonl"]},
      "objective": {"type": "dpo"}, "optimizer": {"learning_rate": 0.003}, "schedule": {"warmup_steps": 2},
      "train": {"steps": 60, "batch_size": 4, "eval_every": 20, "log_every": 1, "threads": 2}})");
    expect_ok(kiln({"train", "sft.json"}));
    expect_ok(kiln({"answers", "runs/sft", "--prompts", "prompts.txt", "--count", "8", "--output", "answers.jsonl",
                    "--max-tokens", "8"}));
    ranked = kiln({"rank", "answers.jsonl", "--output", "rankings.jsonl", "--rule", "rule.json"});
    expect_ok(ranked);
  }
  static void expect_ok(const Outcome& outcome) { EXPECT_EQ(outcome.code, 0) << outcome.err; }
  Outcome kiln(const std::vector<std::string>& command) const { return run_kiln(command, "", scratch.path("")); }
  Json json(std::vector<std::string> command) const {
    command.insert(command.begin() + 1, "--json");
    const Outcome outcome = kiln(command);
    expect_ok(outcome);
    return outcome.code == 0 ? Json::parse(outcome.out) : Json();
  }
  void train_reward() const {
    expect_ok(kiln({"train", "tune.json", "--set", "objective.type=reward", "--set", "name=reward"}));
  }

  Scratch scratch;
  Outcome ranked;
};

TEST(Preferences, ARuleRanksAndDpoTunesTowardsIt) {
  const Ranked rig;
  EXPECT_THAT(rig.ranked.err, HasSubstr("ranked by the rule"));
  const Outcome again = rig.kiln({"rank", "answers.jsonl", "--output", "rankings.jsonl", "--rule", "rule.json"});
  EXPECT_EQ(again.code, 0) << again.err;
  EXPECT_THAT(again.err, HasSubstr("0 prompts ranked"));  // all is judged
  Ranked::expect_ok(rig.kiln({"train", "tune.json"}));
  const Json json = rig.json({"compare", "runs/tune", "runs/sft", "--prompts", "prompts.txt", "--judge", "rule.json",
                              "--max-tokens", "8", "--seed", "3"});
  EXPECT_GT(json["win_rate"], 0.5);
  EXPECT_EQ(json["prompts"], 8);
  EXPECT_GT(json["score_of_a"]["mean"], json["score_of_b"]["mean"]);
  EXPECT_GT(json["kl"]["mean"], 0);
  EXPECT_GT(json["kl"]["standard_error"], 0);
  EXPECT_EQ(json["wins"].get<int>() + json["ties"].get<int>() + json["losses"].get<int>(), 8);
  const Outcome shown = rig.kiln({"data", "show", "tune.json", "--count", "4"});
  EXPECT_THAT(shown.out, AllOf(HasSubstr("chosen"), HasSubstr("rejected"), HasSubstr("comparisons")));
}

TEST(Preferences, APlanHasThePassOfTheReference) {
  const Ranked rig;
  const Json plan = rig.json({"plan", "tune.json"});
  EXPECT_EQ(plan["reference"]["count"], 1);
  EXPECT_GT(plan["reference"]["seconds"], 0);
  Ranked::expect_ok(rig.kiln({"train", "tune.json", "--set", "train.steps=1"}));
  const Json kept = Json::parse(read_file(rig.scratch.path("runs/tune/tokens/reference.json")));
  const auto answers = kept["log_probs"].size() + kept["held_out_log_probs"].size();
  EXPECT_GT(plan["reference_tokens"], 24 * answers);  // "<|im_start|>user\nsay p<|im_end|>..." and the answer
  EXPECT_LT(plan["reference_tokens"], 40 * answers);
  const Outcome table = rig.kiln({"plan", "tune.json"});
  EXPECT_THAT(table.out, AllOf(ContainsRegex("reference pass +1 +[0-9.]+ ?m?s.*tokens"),
                               HasSubstr("time: from the first step to the last save, without the reference pass")));
  const Outcome reward = rig.kiln({"plan", "tune.json", "--set", "objective.type=reward"});
  EXPECT_THAT(reward.out, Not(HasSubstr("reference")));
  const Outcome unknown = rig.kiln({"plan", "tune.json", "--set", "data.train=[\"none.jsonl\"]"});
  EXPECT_THAT(unknown.out, ContainsRegex("reference pass +depends on the data"));
}

TEST(Preferences, ARewardModelScoresAndChoosesTheBest) {
  const Ranked rig;
  rig.train_reward();
  const Json scores = rig.json(
      {"score", "runs/reward", "--data", "rankings.jsonl", "--output", "scored.jsonl", "--best", "best.jsonl"});
  EXPECT_GT(scores["accuracy"], 0.8);
  EXPECT_GT(scores["pairs"], 20);
  EXPECT_LT(scores["log_loss"], 0.69);
  EXPECT_FALSE(scores["calibration"].empty());
  const std::string best = read_file(rig.scratch.path("best.jsonl"));
  EXPECT_GE(std::ranges::count(best, '\n'), 5);  // a prompt whose answers the rule likes alike is not judged
  const Json line = Json::parse(best.substr(0, best.find('\n')));
  EXPECT_EQ(line["messages"].back()["role"], "assistant");
  const Json samples =
      rig.json({"sample", "runs/sft", "say p", "--best-of", "16", "--reward", "runs/reward", "--max-tokens", "8"});
  EXPECT_EQ(samples[0]["scores"].size(), 16u);
  EXPECT_THAT(samples[0]["text"].get<std::string>(), ::testing::StartsWith("b"));
  const Outcome table = rig.kiln({"score", "runs/reward", "--data", "rankings.jsonl"});
  EXPECT_THAT(table.out, AllOf(HasSubstr("accuracy"), HasSubstr("calibration"), HasSubstr("95% interval")));
}

TEST(Preferences, AnExportedRewardModelGivesTheSameScores) {
  const Ranked rig;
  rig.train_reward();
  Ranked::expect_ok(rig.kiln({"export", "runs/reward", "--to", "hf", "--output", "exported"}));
  const Json run = rig.json({"score", "runs/reward", "--data", "rankings.jsonl", "--output", "run.jsonl"});
  const Json exported = rig.json({"score", "exported", "--data", "rankings.jsonl", "--output", "exported.jsonl"});
  EXPECT_EQ(exported["log_loss"], run["log_loss"]);
  EXPECT_EQ(read_file(rig.scratch.path("exported.jsonl")), read_file(rig.scratch.path("run.jsonl")));
  Ranked::expect_ok(rig.kiln({"export", "runs/sft", "--to", "hf", "--output", "language"}));
  EXPECT_THAT(read_file(rig.scratch.path("language/config.json")), Not(HasSubstr("kiln_rewards")));
}

TEST(Preferences, AModelOfAnotherKindIsRefusedWithTheRemedy) {
  const Ranked rig;
  rig.train_reward();
  EXPECT_THAT(rig.kiln({"sample", "runs/reward", "x"}).err, HasSubstr("is a reward model"));
  EXPECT_THAT(rig.kiln({"chat", "runs/reward"}).err, HasSubstr("kiln score"));
  EXPECT_THAT(rig.kiln({"score", "runs/sft", "--data", "rankings.jsonl"}).err, HasSubstr("objective.type \"reward\""));
}

TEST(Preferences, ComparingSaysHowFarApartTheModelsAre) {
  const Ranked rig;
  rig.train_reward();
  Ranked::expect_ok(rig.kiln({"train", "sft.json", "--run", "runs/copy"}));
  std::vector<std::string> command{"compare", "runs/sft",  "runs/copy",    "--prompts", "prompts.txt",
                                   "--judge", "rule.json", "--max-tokens", "8"};
  const Json equal = rig.json(command);
  EXPECT_EQ(equal["kl"]["mean"], 0);  // equal weights
  EXPECT_EQ(equal["score_of_a"], equal["score_of_b"]);
  EXPECT_THAT(rig.kiln(command).out, AllOf(HasSubstr("mean score of A"), HasSubstr("KL(A|B), nats an answer")));
  command.insert(command.end(), {"--top-k", "3"});
  EXPECT_TRUE(rig.json(command)["kl"].is_null());  // not drawn from the whole distribution
  command = {"compare",   "runs/sft", "runs/sft", "--prompts",   "prompts.txt",  "--judge", "rule.json",
             "--best-of", "8",        "--reward", "runs/reward", "--max-tokens", "8"};
  const Json best = rig.json(command);
  EXPECT_GT(best["score_of_a"]["mean"], best["score_of_b"]["mean"]);
  EXPECT_NEAR(best["kl_at_most"], std::log(8.0) - 7.0 / 8.0, 1e-9);
  EXPECT_TRUE(best["kl"].is_null());
  const Outcome alone = rig.kiln(
      {"compare", "runs/sft", "runs/sft", "--prompts", "prompts.txt", "--judge", "rule.json", "--best-of", "8"});
  EXPECT_EQ(alone.code, 2);
  EXPECT_THAT(alone.err, HasSubstr("--best-of, --reward: need each other"));
}

TEST(Preferences, AProgramJudgesInBothOrders) {
  const Ranked rig;
  const std::string program =
      rig.scratch.write("judge.sh",
                        "while read -r line; do case \"$line\" in *'\"answers\":[\"b'*) echo '{\"best\": 0}';; "
                        "*) echo '{\"best\": null}';; esac; done\n");
  Ranked::expect_ok(rig.kiln({"train", "sft.json", "--run", "runs/copy", "--set", "seed=5"}));
  const Json json = rig.json(
      {"compare", "runs/sft", "runs/copy", "--prompts", "prompts.txt", "--max-tokens", "8", "--", "sh", program});
  EXPECT_EQ(json["prompts"], 8);
  EXPECT_FALSE(json["same_in_both_orders"].is_null());
  const Outcome bad = rig.kiln({"compare", "runs/sft", "runs/copy", "--prompts", "prompts.txt", "--", "sh", "-c",
                                "while read -r line; do echo yes; done"});
  EXPECT_EQ(bad.code, 3) << bad.err;
  EXPECT_THAT(bad.err, HasSubstr("yes"));
  const Outcome dead = rig.kiln({"compare", "runs/sft", "runs/copy", "--prompts", "prompts.txt", "--", "false"});
  EXPECT_THAT(dead.err, HasSubstr("ended with exit status 1"));
  const Outcome none = rig.kiln({"compare", "runs/sft", "runs/copy", "--prompts", "prompts.txt"});
  EXPECT_THAT(none.err, HasSubstr("name a judge"));
}

TEST(Preferences, APersonJudgesOnATerminalWithoutTheModelsNames) {
  const Ranked rig;
  rig.scratch.write("two.txt", "say p\nsay q\n");
  Ranked::expect_ok(rig.kiln({"train", "sft.json", "--run", "runs/copy", "--set", "train.steps=1"}));
  const auto path = [&](const char* name) { return rig.scratch.path(name).string(); };
  const std::vector<std::string> command =
      testing::kiln({"compare", path("runs/sft"), path("runs/copy"), "--prompts", path("two.txt"), "--judge", "human",
                     "--output", path("judged.jsonl"), "--rater", "ann", "--max-tokens", "8", "--seed", "3"});
  for (const char* kind : {"xterm", "dumb"}) {  // with an editor and without
    std::filesystem::remove(path("judged.jsonl"));
    {
      OnTerminal terminal(at_terminal(command, kind));
      ASSERT_TRUE(terminal.wait_for("--- 1 of "));  // a prompt may come again
      ASSERT_TRUE(terminal.wait_for("user: say "));
      ASSERT_TRUE(terminal.wait_for("a) "));
      ASSERT_TRUE(terminal.wait_for("> "));
      EXPECT_THAT(terminal.seen().substr(terminal.seen().find("--- 1 of ")), Not(HasSubstr("runs/")));
      terminal.type("c\r");
      ASSERT_TRUE(terminal.wait_for("error: \"c\" is not an order of the letters a to b"));
      terminal.type("b\r");
      ASSERT_TRUE(terminal.wait_for("(b > a; u takes it back)"));
      ASSERT_TRUE(terminal.wait_for("--- 2 of "));
      ASSERT_TRUE(terminal.wait_for("> "));
      terminal.type("\x04");
      EXPECT_THAT(terminal.all(),
                  AllOf(HasSubstr("(1 judged, 0 skipped, "), HasSubstr("1 decided pair"), HasSubstr("win rate")));
      EXPECT_EQ(terminal.hang_up(), 0);
    }
    OnTerminal later(at_terminal(command, kind));  // the models answer the same again, and one prompt is judged
    ASSERT_TRUE(later.wait_for("--- 2 of "));
    ASSERT_TRUE(later.wait_for("> "));
    EXPECT_THAT(later.seen(), Not(HasSubstr("--- 1 of ")));
    later.type("\x03");
    EXPECT_THAT(later.all(), AllOf(HasSubstr("(1 judged, 0 skipped, "), HasSubstr("win rate")));
    EXPECT_EQ(later.hang_up(), 0);
  }
  const std::string judged = read_file(rig.scratch.path("judged.jsonl"));
  EXPECT_THAT(judged, AllOf(HasSubstr("runs/sft"), HasSubstr("runs/copy")));
}

TEST(Preferences, CtrlCEndsALongAnsweringForAPerson) {
  const Ranked rig;
  Ranked::expect_ok(rig.kiln({"train", "sft.json", "--run", "runs/copy", "--set", "train.steps=1"}));
  std::string many;  // to which a model writes 4,000,000 tokens: longer than the two seconds before a bar is shown
  for (int i = 0; i < 100'000; ++i) many += "say p\n";
  const auto path = [&](const char* name) { return rig.scratch.path(name).string(); };
  OnTerminal answering(at_terminal(
      testing::kiln({"compare", path("runs/copy"), path("runs/sft"), "--prompts", rig.scratch.write("many.txt", many),
                     "--judge", "human", "--output", path("judged.jsonl"), "--rater", "ann", "--max-tokens", "40"})));
  ASSERT_TRUE(answering.wait_for("answering")) << answering.seen();
  answering.type("\x03");
  EXPECT_THAT(answering.all(), Not(HasSubstr("--- 1 of")));
  EXPECT_EQ(answering.hang_up(), -SIGINT);
}

}  // namespace
}  // namespace kiln
