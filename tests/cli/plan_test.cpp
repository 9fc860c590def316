// kiln plan: figures that are known, in time and memory that do not grow with the model.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "cli/small_run.h"
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

namespace kiln {
namespace {

using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using testing::Outcome;
using testing::run_kiln;

const std::string kConfigs = KILN_SOURCE_DIR "/configs/";

/// A config in which a step takes no time.
std::string plan_config(const testing::Scratch& scratch, const std::string& tokenizer) {
  return scratch.write("tiny.json", R"({"tokenizer": )" + tokenizer + R"(,
    "model": {"n_layers": 1, "d_model": 16, "n_heads": 2, "n_ctx": 8, "tie_embeddings": true},
    "train": {"steps": 10, "batch_size": 2}})");
}

TEST(PlanCommand, CountsGpt3Small) {
  const Outcome outcome = run_kiln({"plan", kConfigs + "gpt3_small.json", "--json"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const nlohmann::json plan = nlohmann::json::parse(outcome.out);  // nothing else is on stdout
  const nlohmann::json& parameters = plan["parameters"];
  EXPECT_EQ(parameters["token_embedding"], 38'400'000);
  EXPECT_EQ(parameters["unembedding"], 38'400'000);
  EXPECT_EQ(parameters["attention"], 28'311'552);
  EXPECT_EQ(parameters["mlp"], 56'623'104);
  EXPECT_EQ(parameters["position_embedding"], 2048 * 768);
  EXPECT_EQ(parameters["norm"], 25 * 768);
  EXPECT_EQ(parameters["bias"], 12 * (4 * 768 + 3072 + 768) + 25 * 768);
  EXPECT_EQ(parameters["total"], 163'428'864);
  EXPECT_EQ(parameters["total_without_embeddings"], 163'428'864 - 38'400'000);
  EXPECT_EQ(parameters["total_tied"], 163'428'864 - 38'400'000);
  EXPECT_EQ(parameters["total_untied"], 163'428'864);
  const nlohmann::json& memory = plan["memory_bytes"];
  EXPECT_EQ(memory["total"].get<std::uint64_t>(),
            memory["weights"].get<std::uint64_t>() + memory["gradients"].get<std::uint64_t>() +
                memory["optimizer"].get<std::uint64_t>() + memory["activations"].get<std::uint64_t>() +
                memory["evaluation"].get<std::uint64_t>() + memory["checkpoint"].get<std::uint64_t>() +
                memory["program"].get<std::uint64_t>());
  EXPECT_GT(memory["program"].get<std::uint64_t>(), 10u << 20);
  EXPECT_GT(plan["tokens_per_second"].get<double>(), 0);
  EXPECT_GT(plan["wall_seconds"].get<double>(), 0);
}

TEST(PlanCommand, ATrainingTakesNoMoreMemoryThanItSays) {
  const testing::SmallRun run;
  const std::vector<std::string> sets{"--set", "model.d_model=256",   "--set", "model.d_mlp=2048",
                                      "--set", "model.n_ctx=128",     "--set", "model.n_layers=2",
                                      "--set", "train.batch_size=40", "--set", "train.steps=4",
                                      "--set", "train.precision=fp32"};
  std::vector<std::string> plan{"plan", run.config, "--json"};
  plan.insert(plan.end(), sets.begin(), sets.end());
  const Outcome planned = run_kiln(plan);
  ASSERT_EQ(planned.code, 0) << planned.err;
  const auto total = nlohmann::json::parse(planned.out)["memory_bytes"]["total"].get<std::uint64_t>();
  const Outcome trained = run.train(sets);
  ASSERT_EQ(trained.code, 0) << trained.err;
  EXPECT_LT(trained.peak_bytes, total + (16u << 20) + testing::kSanitizerBytes);
  EXPECT_GT(trained.peak_bytes, total / 2);
}

/// The base has no masters, gradients or moments.
TEST(PlanCommand, ATrainingOfAdaptersTakesAsMuchMemoryAsItSays) {
  if (testing::kSanitized) GTEST_SKIP() << "a sanitizer's own memory is as large as the model's";
  const testing::SmallRun run;
  const std::vector<std::string> sets{"--set", "model.d_model=640", "--set", "model.n_layers=10",
                                      "--set", "model.n_ctx=64",    "--set", "train.batch_size=1",
                                      "--set", "train.steps=3",     "--set", "train.precision=bf16",
                                      "--set", "lora.rank=4",       "--set", "train.eval_every=0"};
  std::vector<std::string> plan{"plan", run.config, "--json"};
  plan.insert(plan.end(), sets.begin(), sets.end());
  const Outcome planned = run_kiln(plan);
  ASSERT_EQ(planned.code, 0) << planned.err;
  const nlohmann::json memory = nlohmann::json::parse(planned.out)["memory_bytes"];
  const Outcome trained = run.train(sets);
  ASSERT_EQ(trained.code, 0) << trained.err;
  EXPECT_NEAR(memory["total"].get<double>() / static_cast<double>(trained.peak_bytes), 1, 0.1) << memory.dump();
}

TEST(PlanCommand, OfATinyModelTheProgramTakesMostMemory) {
  if (testing::kSanitized) GTEST_SKIP() << "a sanitizer's own memory is many times the model's";
  const testing::SmallRun run;
  const std::string set = "data.train=" + run.scratch.write("text.txt", testing::counting_text(20'000));  // 1 MB
  const Outcome planned = run_kiln({"plan", run.config, "--json", "--set", set});
  ASSERT_EQ(planned.code, 0) << planned.err;
  const nlohmann::json memory = nlohmann::json::parse(planned.out)["memory_bytes"];
  const Outcome trained = run.train({"--set", set});
  ASSERT_EQ(trained.code, 0) << trained.err;
  EXPECT_GT(memory["program"].get<double>(), 0.5 * memory["total"].get<double>());
  EXPECT_NEAR(memory["total"].get<double>() / static_cast<double>(trained.peak_bytes), 1, 0.15);
}

TEST(PlanCommand, PrintsTheFiguresInATable) {
  const Outcome outcome = run_kiln({"plan", kConfigs + "gpt3_small.json"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, ContainsRegex("token embedding +38,400,000 +23.5%\n"));
  EXPECT_THAT(outcome.out, ContainsRegex("attention +28,311,552 +17.3%\n"));
  EXPECT_THAT(outcome.out, ContainsRegex("MLP +56,623,104 +34.6%\n"));
  EXPECT_THAT(outcome.out, ContainsRegex("unembedding +38,400,000 +23.5%\n"));
  EXPECT_THAT(outcome.out, HasSubstr("20 tokens per parameter are compute-optimal"));
}

TEST(PlanCommand, CountsGpt3WithoutTakingItsMemory) {
  const auto start = std::chrono::steady_clock::now();
  const Outcome outcome = run_kiln({"plan", kConfigs + "gpt3_175b.json", "--json"});
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const nlohmann::json plan = nlohmann::json::parse(outcome.out);
  EXPECT_EQ(plan["parameters"]["total"], 174'604'259'328);
  EXPECT_EQ(plan["throughput_source"], "matrix_products");
  EXPECT_THAT(outcome.err, HasSubstr("would not fit into this machine's memory"));
  EXPECT_LT(outcome.peak_bytes, (200u << 20) + testing::kSanitizerBytes);
  if (!testing::kSanitized) {
    EXPECT_LT(seconds.count(), 5.0);  // under one on an idle machine; others may be at work here
  }
}

TEST(PlanCommand, TimesStepsOfAModelThatFits) {
  const testing::Scratch scratch;
  const Outcome outcome = run_kiln({"plan", plan_config(scratch, R"({"type": "bpe", "vocab_size": 300})"), "--json"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const nlohmann::json plan = nlohmann::json::parse(outcome.out);
  EXPECT_EQ(plan["throughput_source"], "timed_steps");
  EXPECT_EQ(plan["parameters"]["token_embedding"], 300 * 16);
  EXPECT_DOUBLE_EQ(plan["tokens_per_parameter"].get<double>(), 160.0 / plan["parameters"]["total"].get<double>());
}

TEST(PlanCommand, CountsTheCopyThatCheckpointsAreWrittenFrom) {
  const testing::Scratch scratch;
  const std::string config = plan_config(scratch, R"({"type": "byte"})");
  const auto memory = [&](const std::string& set) {
    return nlohmann::json::parse(run_kiln({"plan", config, "--json", "--set", set}).out)["memory_bytes"];
  };
  const nlohmann::json adam = memory("optimizer.type=adamw"), sgd = memory("optimizer.type=sgd");
  EXPECT_EQ(adam["checkpoint"], 3 * adam["gradients"].get<std::uint64_t>());  // weights and two moments
  EXPECT_EQ(sgd["checkpoint"], sgd["gradients"]);
  const nlohmann::json waiting = memory("train.async_checkpoint=false");
  EXPECT_EQ(waiting["checkpoint"], 0);
  const auto counted = [](const nlohmann::json& m) {
    return m["total"].get<std::uint64_t>() - m["program"].get<std::uint64_t>();  // which is measured
  };
  EXPECT_EQ(counted(waiting) + adam["checkpoint"].get<std::uint64_t>(), counted(adam));
  EXPECT_THAT(run_kiln({"plan", config}).out, ContainsRegex("copy for checkpoints +[0-9]"));
}

TEST(PlanCommand, KnowsTheSizeOfByteVocabulariesAndSaysWhenItGuesses) {
  const testing::Scratch scratch;
  const auto rows = [](const Outcome& outcome) {
    return nlohmann::json::parse(outcome.out)["parameters"]["token_embedding"].get<int>() / 16;
  };
  const Outcome bytes = run_kiln({"plan", plan_config(scratch, R"({"type": "byte"})"), "--json"});
  EXPECT_EQ(rows(bytes), 257);
  EXPECT_EQ(bytes.err, "");
  const Outcome characters =
      run_kiln({"plan", plan_config(scratch, R"({"type": "char", "special_tokens": []})"), "--json"});
  EXPECT_EQ(rows(characters), 65);
  EXPECT_THAT(characters.err, HasSubstr("has; assuming 65"));
}

TEST(PlanCommand, CountsTheStepsThatATimeBudgetAllows) {
  const testing::Scratch scratch;
  const std::string config = plan_config(scratch, R"({"type": "byte"})");
  const Outcome outcome = run_kiln({"plan", config, "--set", "train.time_budget=1h", "--json"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const nlohmann::json plan = nlohmann::json::parse(outcome.out);
  EXPECT_EQ(plan["wall_seconds"], 3600);
  EXPECT_EQ(plan["tokens"], plan["steps"].get<std::int64_t>() * 2 * 8);
  const auto seconds = [&](const char* work) { return plan[work]["seconds"].get<double>(); };
  const auto one = [&](const char* work) { return seconds(work) / std::max(1.0, plan[work]["count"].get<double>()); };
  const double speed = plan["tokens_per_second"].get<double>(), tokens = plan["tokens"].get<double>();
  const double rest = seconds("saves") + seconds("evaluations");
  EXPECT_LE(tokens, (3600 - rest) * speed + 1);
  // One step more may bring one save and one evaluation more.
  EXPECT_GE(tokens + 16, (3600 - rest - 2 * one("saves") - one("evaluations")) * speed);
  EXPECT_THAT(run_kiln({"plan", config, "--set", "train.time_budget=1h"}).out,
              HasSubstr("fits into train.time_budget"));
}

TEST(PlanCommand, CountsEvaluationsSamplesAndSaves) {
  const testing::Scratch scratch;
  scratch.write("text.txt", std::string(4001, 'a'));
  const std::string config = plan_config(scratch, R"({"type": "byte", "special_tokens": []})");
  const std::vector<std::string> sets{"plan",  config,
                                      "--set", "data.train=[\"text.txt\"]",
                                      "--set", "train.eval_every=4",
                                      "--set", "train.eval_tokens=all",
                                      "--set", "train.sample_every=5",
                                      "--json"};
  const Outcome outcome = run_kiln(sets);
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const nlohmann::json plan = nlohmann::json::parse(outcome.out);
  EXPECT_EQ(plan["evaluations"]["count"], 3);  // after steps 4, 8 and 10
  EXPECT_EQ(plan["evaluated_tokens"], 400);    // of the last tenth, 401 tokens
  EXPECT_EQ(plan["samples"]["count"], 2);
  EXPECT_EQ(plan["saves"]["count"], 4);
  const double steps = 160 / plan["tokens_per_second"].get<double>();
  const double rest = plan["evaluations"]["seconds"].get<double>() + plan["samples"]["seconds"].get<double>() +
                      plan["saves"]["seconds"].get<double>();
  EXPECT_GT(plan["evaluations"]["seconds"], 0);
  EXPECT_GT(plan["samples"]["seconds"], 0);
  EXPECT_NEAR(plan["wall_seconds"].get<double>(), steps + rest, 1e-9);
}

TEST(PlanCommand, TakesEpochsFromTheFiles) {
  const testing::Scratch scratch;
  std::string text;
  for (int i = 0; i < 100'000; ++i) text += "word" + std::to_string(i % 977) + " ";
  const std::string file = scratch.write("text.txt", text), tokens = scratch.path("text.bin").string(),
                    tokenizer = scratch.path("tokenizer.json").string();
  ASSERT_EQ(run_kiln({"tokenizer", "train", "--input", file, "--vocab-size", "300", "--output", tokenizer}).code, 0);
  const Outcome encoded = run_kiln({"tokenizer", "encode", "--tokenizer", tokenizer, "--to", tokens}, text);
  ASSERT_EQ(encoded.code, 0) << encoded.err;
  const std::string config = plan_config(scratch, R"({"type": "bpe", "path": ")" + tokenizer + "\"}");
  const auto steps = [&](const std::string& data) {
    const Outcome outcome = run_kiln({"plan", config, "--set", "data.train=[\"" + data + "\"]", "--set",
                                      "train.epochs=2", "--set", "data.validation_fraction=0.1", "--json"});
    return nlohmann::json::parse(outcome.out)["steps"].get<double>();
  };
  const double exact = steps(tokens);
  const auto ids = (std::filesystem::file_size(tokens) - 1024) / 2;
  EXPECT_NEAR(exact, 2 * std::floor((0.9 * static_cast<double>(ids) - 1) / 8) / 2, 1.0);
  EXPECT_NEAR(steps(file) / exact, 1, 0.02);  // of a sample
  EXPECT_THAT(run_kiln({"plan", config, "--set", "data.train=[\"" + file + "\"]"}).out, HasSubstr("from a sample"));
}

TEST(PlanCommand, LeavesOpenWhatTheDataDecides) {
  const testing::Scratch scratch;
  const std::string config = plan_config(scratch, R"({"type": "byte"})");
  const Outcome outcome = run_kiln({"plan", config, "--set", "train.batch_size=all", "--json"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_TRUE(nlohmann::json::parse(outcome.out)["wall_seconds"].is_null());
  EXPECT_THAT(run_kiln({"plan", config, "--set", "train.batch_size=all"}).out,
              ContainsRegex("time of training +depends on the data"));
}

TEST(PlanCommand, CountsTheEntriesOfATokenizerThatIsThere) {
  const testing::Scratch scratch;
  const std::string text = scratch.write("text.txt", "one two one two one two one two"),
                    file = scratch.path("tokenizer.json");
  ASSERT_EQ(run_kiln({"tokenizer", "train", "--input", text, "--vocab-size", "260", "--output", file}).code, 0);
  const std::string config = plan_config(scratch, R"({"type": "bpe", "vocab_size": 999, "path": ")" + file + "\"}");
  const auto plan = nlohmann::json::parse(run_kiln({"plan", config, "--json"}).out);
  EXPECT_EQ(plan["parameters"]["token_embedding"], 260 * 16);
  std::filesystem::remove(file);
  const Outcome missing = run_kiln({"plan", config, "--json"});
  EXPECT_EQ(nlohmann::json::parse(missing.out)["parameters"]["token_embedding"], 999 * 16);
  EXPECT_THAT(missing.err, HasSubstr("tokenizer.json: does not exist yet; assuming tokenizer.vocab_size 999"));
}

}  // namespace
}  // namespace kiln
