// Times rollouts and their steps on random weights: kiln's side of compare_pytorch_grpo.py. Prints JSON.
#include "kiln/core/stopwatch.h"
#include "kiln/train/timing.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "study.h"
#include "support/rollout_training.h"
#include <string>
#include <vector>

namespace kiln::testing {
namespace {

constexpr Index kVocabulary = 1536, kContext = 256;  // of the quickstart
constexpr Index kPromptTokens = 32, kPrompts = 16, kAnswers = 8;
constexpr Index kLeast = 16, kMost = 128;  // tokens of an answer

/// Returns how long an answer becomes, from kLeast to kMost: a function of its prompt and first token, so that each
/// side of the comparison has the same spread of lengths.
Index length_of(const Prompt& prompt, TokenId first) {
  return kLeast + (Index{first} * 7919 + Index{prompt.front()} * 31) % (kMost - kLeast + 1);
}

ModelConfig shape() {
  ModelConfig model;
  model.n_layers = 4;
  model.d_model = 128;
  model.n_heads = 4;
  model.n_ctx = kContext;
  model.activation = Activation::gelu_new;
  model.norm = NormKind::layernorm;
  model.position = PositionKind::learned;
  model.tie_embeddings = true;
  model.resolve();
  return model;
}

std::vector<Prompt> random_prompts(Index count) {
  Rng rng(3, "prompts");
  std::vector<Prompt> prompts(static_cast<std::size_t>(count), Prompt(static_cast<std::size_t>(kPromptTokens)));
  for (Prompt& prompt : prompts) {
    for (TokenId& token : prompt) token = static_cast<TokenId>(rng.below(kVocabulary));
  }
  return prompts;
}

/// The seconds of `rounds` GRPO steps, and the tokens of their answers.
Json time_steps(Index rounds) {
  const TrainedPolicy base(std::make_shared<LanguageModel<float>>(shape(), kVocabulary), 1);
  std::vector<double> steps;
  Index tokens = 0;
  Stopwatch stopwatch;
  PolicyCourse course{.type = ObjectiveKind::grpo,
                      .beta = 0.05,
                      .policy = {.prompts = kPrompts, .answers = kAnswers, .max_tokens = kMost},
                      .rollouts = rounds + 1,
                      .rows = 8 * kContext};
  course.ends = [](const Prompt& prompt, std::span<const TokenId> answer) {
    return std::ssize(answer) >= length_of(prompt, answer.front());
  };
  Index rollout = 0;
  course.on_rollout = [&](const Rollouts& rollouts, const ModelView&) {  // drawn and scored; the step before is over
    if (rollout++ == 0) {
      stopwatch = Stopwatch();
      return;
    }
    steps.push_back(stopwatch.seconds());  // a step, and the drawing of the next rollout
    stopwatch = Stopwatch();
    for (const kiln::Episode& episode : rollouts.episodes()) tokens += std::ssize(episode.tokens);
  };
  tune_by_rollouts(
      base, random_prompts(kPrompts * (rounds + 1)),
      [](const kiln::Episode& episode) { return static_cast<double>(episode.tokens.front() % 2); }, course);
  return {{"seconds", median(steps)}, {"answer_tokens", tokens / std::ssize(steps)}, {"steps", steps}};
}

/// Tokens per second that a rollout draws, all answers of the same length, and that plain batched decoding draws.
Json time_drawing() {
  Config config;
  config.model = shape();
  config.tokenizer.vocab_size = kVocabulary;
  const TrainedPolicy model(std::make_shared<LanguageModel<float>>(shape(), kVocabulary), 1);
  PolicyConfig policy{.prompts = kPrompts, .answers = kAnswers, .max_tokens = kMost};
  policy.resolve(ObjectiveKind::grpo);
  Rollouts rollouts(random_prompts(kPrompts), {.policy = policy, .rows = 8 * kContext, .seed = 1},
                    [](std::span<const kiln::Episode> episodes, const WhileWaiting&) {
                      return ScoredAnswers{.scores = std::vector<double>(episodes.size(), 0.0), .parts = {}};
                    });
  const auto draw = [&](Index number) {
    double seconds = 0;
    Index tokens = 0;
    const Stopwatch stopwatch;
    const auto count = [&] {
      ++tokens;
      seconds = stopwatch.seconds();  // up to the last token: without the forward that follows
    };
    rollouts.prepare(number * policy.episodes(), model.view(), {.on_token = count});
    return static_cast<double>(tokens) / seconds;
  };
  draw(0);
  std::vector<double> speeds;
  for (Index r = 1; r <= 5; ++r) speeds.push_back(draw(r));
  const double plain = time_batched_decoding(config, kVocabulary, Precision::fp32, 64, kMost);
  return {{"rollout_tokens_per_second", median(speeds)}, {"batched_tokens_per_second", plain}};
}

struct Options {
  void add_to(CLI::App& app) { app.add_option("ROUNDS", rounds, "steps that are timed"); }

  Index rounds = 3;
};

/// Returns true: the study judges nothing.
bool run(const Options& options) {
  Json json = time_steps(options.rounds);
  json.update(time_drawing());
  fmt::print("{}\n", json.dump());
  return true;
}

}  // namespace
}  // namespace kiln::testing

int main(int count, char** arguments) { return kiln::testing::run_study(count, arguments, kiln::testing::run); }
