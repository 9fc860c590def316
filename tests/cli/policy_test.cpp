// Tuning by policy gradients by command: rewards of every kind, what is measured and shown, and what is refused.
#include "kiln/core/file.h"
#include "kiln/core/stopwatch.h"
#include "kiln/run/run_directory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "cli/small_run.h"
#include <algorithm>
#include <csignal>
#include <string>
#include <vector>

namespace kiln {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::Outcome;
using testing::Process;
using testing::run_kiln;
using testing::Scratch;

void expect_refused(const Outcome& outcome, const std::vector<std::string>& parts) {
  EXPECT_EQ(outcome.code, 2) << outcome.err;
  for (const std::string& part : parts) EXPECT_THAT(outcome.err, HasSubstr(part));
}

/// A model of bytes that answers a question by one of two letters, and a config that tunes it by rollouts.
struct Tuned {
  Tuned() {
    std::string chats, prompts;
    for (int i = 0; i < 160; ++i) {
      const char answer = i % 2 == 0 ? 'a' : 'b', word = static_cast<char>('p' + i / 2 % 8);
      chats += fmt::format(R"({{"prompt":"say {}","completion":"{} s"}})"
                           "\n",
                           word, answer);
    }
    for (int i = 0; i < 24; ++i) {
      const char word = static_cast<char>('p' + i % 8);
      prompts += fmt::format(R"({{"prompt":"say {}","completion":"b s"}})"
                             "\n",
                             word);
    }
    scratch.write("chats.jsonl", chats);
    scratch.write("prompts.jsonl", prompts);
    scratch.write("judge.sh", "while read -r line; do case $line in *answer???b*) echo 1;; *) echo 0;; esac; done\n");
    scratch.write("rule.json", R"({"patterns": [{"pattern": "^b", "score": 1}]})");
    scratch.write("sft.json", R"({"name": "sft", "tokenizer": {"type": "byte", "special_tokens": []},
      "chat": {"template": "chatml"}, "data": {"train": ["chats.jsonl"]}, "objective": {"type": "sft"},
      "model": {"n_layers": 1, "d_model": 32, "n_heads": 2, "n_ctx": 64, "dropout": 0, "activation": "gelu_new"},
      "optimizer": {"learning_rate": 0.01}, "schedule": {"warmup_steps": 2},
      "train": {"steps": 150, "batch_size": 4, "eval_every": 0, "threads": 2}})");
    write_config(R"([{"type": "exact"}])");
    expect_ok(kiln({"train", "sft.json"}));
  }
  void write_config(const std::string& rewards, const std::string& more = "") const {
    scratch.write("tune.json",
                  R"({"name": "tune", "init_from": "runs/sft", "data": {"train": ["prompts.jsonl"]},
      "objective": {"type": "grpo", "beta": 0.01},
      "policy": {"rewards": )" +
                      rewards + R"(, "prompts": 8, "answers": 4, "max_tokens": 8)" + more + R"(},
      "optimizer": {"learning_rate": 0.003}, "schedule": {"warmup_steps": 2},
      "train": {"steps": 20, "batch_size": 4, "eval_every": 10, "log_every": 1, "threads": 2}})");
  }
  static void expect_ok(const Outcome& outcome) { EXPECT_EQ(outcome.code, 0) << outcome.err; }
  Outcome kiln(const std::vector<std::string>& command) const { return run_kiln(command, "", scratch.path("")); }
  Json last_row() const {
    std::string rows = read_file(scratch.path("runs/tune/metrics.jsonl"));
    rows.pop_back();
    return Json::parse(rows.substr(rows.rfind('\n') + 1));
  }

  Scratch scratch;
};

TEST(Policy, LearnsTheExpectedAnswersAndSaysWhatItMeasures) {
  const Tuned rig;
  const Outcome trained = rig.kiln({"train", "tune.json"});
  Tuned::expect_ok(trained);
  EXPECT_THAT(trained.err, AllOf(HasSubstr("prompts"), HasSubstr("reward "), HasSubstr("KL "),
                                 HasSubstr("held-out reward"), HasSubstr("best held-out reward")));
  const Json row = rig.last_row();
  EXPECT_GT(row["reward"], 0.6);
  EXPECT_EQ(row["rewards/exact"], row["reward"]);
  for (const char* key : {"reward_std", "kl", "kl/k3", "beta", "entropy", "frac_reward_zero_std",
                          "completions/mean_length", "completions/clipped_ratio", "clip_ratio/low_mean",
                          "clip_ratio/high_mean", "policy/approxkl_avg", "validation/reward", "validation/kl"}) {
    EXPECT_TRUE(row[key].is_number()) << key;
  }
  const Json answers =
      Json::parse(rig.kiln({"eval", "runs/tune", "--generate", "prompts.jsonl", "--json", "--max-tokens", "8"}).out);
  EXPECT_FALSE(answers.empty());
  Tuned::expect_ok(rig.kiln({"verify", "runs/tune"}));
  EXPECT_THAT(rig.kiln({"runs", "runs"}).out, HasSubstr("reward "));
  Tuned::expect_ok(rig.kiln({"plot", "runs/tune", "--metric", "validation/reward", "--x", "root_kl"}));
  Tuned::expect_ok(rig.kiln({"export", "runs/tune", "--to", "hf", "--output", "exported"}));
}

TEST(Policy, ReadsEachKindOfReward) {
  const Tuned rig;
  rig.write_config(R"([{"type": "rule", "path": "rule.json"}, {"type": "regex", "pattern": "s$", "weight": 0.1},
    {"type": "contains", "pattern": "b"}, {"type": "length", "weight": -0.1}, {"type": "repetition", "weight": -1},
    {"type": "unfinished", "weight": -1},
    {"type": "command", "command": ["sh", "judge.sh"], "name": "judge"}])",
                   R"(, "gold": [{"type": "exact"}])");
  const Outcome trained = rig.kiln({"train", "tune.json"});
  Tuned::expect_ok(trained);
  EXPECT_THAT(trained.err, AllOf(HasSubstr("sh judge.sh"), HasSubstr("gold"), HasSubstr("best held-out gold")));
  const Json row = rig.last_row();
  for (const char* name : {"rule", "regex", "contains", "length", "repetition", "unfinished", "judge"}) {
    EXPECT_TRUE(row["rewards/" + std::string(name)].is_number()) << name;
  }
  EXPECT_TRUE(row["validation/gold"].is_number());
}

TEST(Policy, PpoRunsAreVerifiedWithTheirValueHead) {
  const Tuned rig;
  Tuned::expect_ok(rig.kiln({"train", "tune.json", "--set", "objective.type=ppo", "--set", "train.steps=6"}));
  const Outcome verified = rig.kiln({"verify", "runs/tune"});
  Tuned::expect_ok(verified);
  EXPECT_THAT(verified.out + verified.err, ::testing::Not(HasSubstr("damaged")));
  expect_refused(rig.kiln({"eval", "runs/tune"}), {"--data FILE", "--generate"});
}

TEST(Policy, AFailingGoldRewardKeepsWhatWasLearned) {
  const Tuned rig;
  rig.write_config(R"([{"type": "exact"}])", R"(, "gold": [{"type": "command", "command": ["sh", "-c", "exit 1"]}])");
  const Outcome failed = rig.kiln({"train", "tune.json", "--set", "train.checkpoint_every=0"});
  EXPECT_EQ(failed.code, 5) << failed.err;
  EXPECT_TRUE(path_exists(rig.scratch.path("runs/tune/checkpoints/step-00000010")));
}

TEST(Policy, AProgramThatAnswersTwiceGivesNoScores) {
  const Tuned rig;
  rig.scratch.write("judge.sh", "while read -r line; do echo 1; echo 0.5; done\n");
  rig.write_config(R"([{"type": "command", "command": ["sh", "judge.sh"]}])");
  const Outcome failed = rig.kiln({"train", "tune.json"});
  EXPECT_EQ(failed.code, 5) << failed.err;
  EXPECT_THAT(failed.err, HasSubstr("for 32 answers"));
}

TEST(Policy, AProgramOfARunDirectoryNeedsLeave) {
  const Tuned rig;
  rig.write_config(R"([{"type": "command", "command": ["sh", "judge.sh"]}])");
  Tuned::expect_ok(rig.kiln({"train", "tune.json", "--set", "train.steps=2"}));
  const std::vector<std::string> resume{"train", "runs/tune", "--resume", "--set", "train.steps=4"};
  expect_refused(rig.kiln(resume), {"runs/tune", "start a program", "sh judge.sh", "--allow-command"});
  std::vector<std::string> allowed = resume;
  allowed.emplace_back("--allow-command");
  Tuned::expect_ok(rig.kiln(allowed));
}

TEST(Policy, RefusesSettingsThatDoNotGoTogether) {
  const Tuned rig;
  const auto refused = [&](const std::vector<std::string>& settings, const std::vector<std::string>& parts) {
    std::vector<std::string> command{"train", "tune.json"};
    for (const std::string& setting : settings) command.insert(command.end(), {"--set", setting});
    expect_refused(rig.kiln(command), parts);
  };
  refused({"policy.rewards=[]"}, {"/policy/rewards", "is empty"});
  refused({"policy.minibatches=5"}, {"/policy/minibatches", "does not divide the 32 answers"});
  refused({"policy.answers=1"}, {"/policy/answers", "at least 2"});
  refused({"policy.gamma=0.9"}, {"/policy/gamma", "baseline value"});
  refused({"policy.kl=k3_in_loss", "policy.kl_target=6"}, {"/policy/kl_target", "k1_in_reward"});
  refused({"policy.value_warmup=3"}, {"/policy/value_warmup", "value head"});
  refused({"policy.max_tokens=1000"}, {"/policy/max_tokens", "n_ctx"});
  refused({"objective.type=grpo", "policy.baseline=value"}, {"/policy/scale", "batch"});
  refused({R"(policy.gold=[{"type":"exact"}])", "train.eval_every=0"}, {"/policy/gold", "eval_every"});
  refused({R"(policy.rewards=[{"type":"exact","name":"chosen"}])"}, {"another metric"});
  refused({"objective.beta=0", "policy.kl_target=6"}, {"/policy/kl_target", "objective.beta is 0"});
  refused({"model.dropout=0.1"}, {"/model/dropout", "policy gradient"});
  refused({"train.gradient_accumulation=2"}, {"/train/gradient_accumulation", "section policy"});
  refused({"objective.type=ppo", "policy.scale=group"}, {"/policy/scale", "batch"});
  refused({"init_from=null"}, {"init_from"});
}

TEST(Policy, PlansDrawsChecksAndTimesIt) {
  const Tuned rig;
  const Json plan = Json::parse(rig.kiln({"plan", "tune.json", "--json"}).out);
  EXPECT_EQ(plan["rollout"]["answers"], 32);
  EXPECT_GT(plan["rollout"]["answers_per_hour"], 0);
  EXPECT_GT(plan["memory_bytes"]["rollout"], 0);
  EXPECT_GT(plan["wall_seconds"], 0);
  const Json& evaluations = plan["evaluations"];
  EXPECT_EQ(evaluations["count"], 2);
  EXPECT_GT(plan["evaluated_tokens"], 2 * (8 + 5));  // two prompts are held out: "say p" and what the template adds
  const double evaluation = evaluations["seconds"].get<double>() / 2, drawing = plan["rollout"]["drawing_seconds"];
  EXPECT_NEAR(evaluation / drawing, 2.0 / 32, 0.02);  // by the answers that they draw
  EXPECT_THAT(rig.kiln({"plan", "tune.json"}).out, AllOf(HasSubstr("Rollouts"), HasSubstr("answers an hour")));
  Tuned::expect_ok(rig.kiln({"plan", "tune.json", "--set", "objective.type=ppo"}));
  Tuned::expect_ok(rig.kiln({"gradcheck", "tune.json"}));
  Tuned::expect_ok(rig.kiln({"gradcheck", "tune.json", "--set", "objective.type=ppo", "--set", "policy.kl=k3_in_loss",
                             "--set", "policy.temperature=0.7"}));
  const Outcome shown = rig.kiln({"data", "show", "tune.json", "--count", "2"});
  Tuned::expect_ok(shown);
  EXPECT_THAT(shown.out, AllOf(HasSubstr("say "), HasSubstr("prompts")));
}

TEST(Policy, CtrlCWhileItDrawsIsAnsweredAndResumes) {
  const Tuned rig;
  rig.write_config(R"([{"type": "exact"}])", R"(, "passes": 2)");
  Process process(testing::kiln({"train", "tune.json", "--set", "train.steps=1000000", "--set", "train.eval_every=0"}),
                  "", rig.scratch.path(""));
  ASSERT_TRUE(process.wait_for_error_text("step "));
  process.send(SIGINT);
  const Outcome stopped = process.finish();
  EXPECT_EQ(stopped.code, 130) << stopped.err;
  EXPECT_THAT(stopped.err, HasSubstr("--resume"));
  Tuned::expect_ok(rig.kiln({"verify", "runs/tune"}));
}

TEST(Policy, CtrlCWhileAProgramScoresIsAnsweredAtOnceAndLosesNothing) {
  const Tuned rig;
  const std::string judge = read_file(rig.scratch.path("judge.sh"));
  rig.write_config(R"([{"type": "command", "command": ["sh", "judge.sh"]}])");
  for (const auto& [every, answer] : {std::pair("0", "step 1 is saved first; --resume draws the next answers again"),
                                      {"1", "step 1 is saved first, without its evaluation, which --resume repeats"}}) {
    const std::string evaluating = "train.eval_every=" + std::string(every);
    const auto command = [&](const std::string& folder) {
      return std::vector<std::string>{"train", "tune.json",     "--run", folder,
                                      "--set", "train.steps=3", "--set", evaluating};
    };
    Tuned::expect_ok(rig.kiln(command("runs/whole")));
    rig.scratch.write("judge.sh",
                      "for i in $(seq 32); do read -r line; case $line in *answer???b*) echo 1;; *) echo "
                      "0;; esac; done; read -r line; touch asleep; sleep 60\n");
    Process process(testing::kiln(command("runs/parts")), "", rig.scratch.path(""));
    ASSERT_TRUE(testing::wait_until([&] { return path_exists(rig.scratch.path("asleep")); }));
    process.send(SIGINT);
    const Stopwatch stopwatch;
    const Outcome stopped = process.finish();
    EXPECT_LT(stopwatch.seconds(), 20);  // a loaded machine is slow; the program sleeps for a minute
    EXPECT_EQ(stopped.code, 130) << stopped.err;
    EXPECT_THAT(stopped.err, AllOf(HasSubstr(answer), HasSubstr("stopped by SIGINT after step 1")));
    rig.scratch.write("judge.sh", judge);
    Tuned::expect_ok(rig.kiln({"verify", "runs/parts"}));
    const Outcome resumed = rig.kiln({"train", "runs/parts", "--resume", "--allow-command"});
    Tuned::expect_ok(resumed);
    EXPECT_THAT(resumed.err, HasSubstr("resuming at step 1"));
    for (const char* file : {"model.safetensors", "optimizer.safetensors", "rollout.json"}) {
      const auto path = [&](const std::string& folder) {
        return rig.scratch.path(folder + "/checkpoints/" + checkpoint_name(3) + "/" + file);
      };
      EXPECT_EQ(read_file(path("runs/whole")), read_file(path("runs/parts"))) << file;
    }
    for (const char* name : {"runs/whole", "runs/parts", "asleep"}) std::filesystem::remove_all(rig.scratch.path(name));
  }
}

}  // namespace
}  // namespace kiln
