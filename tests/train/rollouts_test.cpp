// Rollouts as a source of batches: what they draw, in which order they give it, and what a restored one gives.
#include "train/rollouts.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "support/error_parts.h"
#include "support/policy_training.h"
#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace kiln {
namespace {

using testing::expect_error_with;
using testing::little_llama;
using testing::TrainedPolicy;

constexpr Index kVocabulary = 12;
constexpr TokenId kEnd = 0;

TrainedPolicy policy(std::uint64_t seed = 1) {
  return TrainedPolicy(std::make_shared<LanguageModel<float>>(little_llama(1, 16, 12), kVocabulary), seed);
}

std::vector<Prompt> prompts() { return {{1, 2}, {3}, {4, 5, 6}, {7}, {8, 9, 10, 11, 1}}; }

RolloutOptions options(PolicyConfig config = {}) {
  config.prompts = 3;
  config.answers = 4;
  config.max_tokens = 5;
  config.resolve(ObjectiveKind::grpo);
  return {.policy = config, .kl_weight = 0.1, .rows = 40, .end_tokens = {kEnd}, .seed = 7};
}

/// Scores an answer by its tokens.
ScoredAnswers score(std::span<const Episode> episodes, const WhileWaiting& /*while_waiting*/) {
  ScoredAnswers scored;
  for (const Episode& episode : episodes) {
    scored.scores.push_back(static_cast<double>(std::ranges::count(episode.tokens, 3)));
  }
  return scored;
}

struct Batches {
  std::vector<Batch> batches;
  Index examples = 0;
};

/// Returns the micro-batches of the step that begins with example `first`.
Batches step_of(Rollouts& rollouts, Index first) {
  Batches all;
  Batch batch;
  for (const ExampleRange& range : micro_batches_of_step(rollouts, first)) {
    rollouts.fill(range.first, range.count, batch);
    all.examples += range.count;
    all.batches.push_back(batch);
  }
  return all;
}

TEST(Rollouts, GiveEachAnswerOnceInEveryPass) {
  Rollouts rollouts(prompts(), options({.minibatches = 3, .passes = 2}), score);
  const TrainedPolicy model = policy();
  rollouts.set_reference(model.view());
  EXPECT_EQ(rollouts.steps_of_epochs(2), 4 * 6);  // 10 prompts in rollouts of 3, each 2 passes of 3 steps
  for (Index pass = 0; pass < 2; ++pass) {
    std::multiset<double> given, drawn;
    for (Index minibatch = 0; minibatch < 3; ++minibatch) {
      const Index first = 12 * pass + 4 * minibatch;
      rollouts.prepare(first, model.view());
      const Batches step = step_of(rollouts, first);
      EXPECT_EQ(step.examples, 4);
      for (const Batch& batch : step.batches) {
        EXPECT_EQ(batch.temperature, 1);
        EXPECT_EQ(batch.drawn.kl_weight, 0.1);
        EXPECT_TRUE(batch.drawn.reference.empty());  // its divergence is in the advantages
        given.insert(batch.drawn.behaviour.begin(), batch.drawn.behaviour.end());
      }
    }
    for (const Episode& episode : rollouts.episodes()) {
      drawn.insert(episode.behaviour.begin(), episode.behaviour.end());
    }
    EXPECT_EQ(given, drawn);
  }
}

TEST(Rollouts, DrawTheNextPromptsWithIndependentDraws) {
  Rollouts rollouts(prompts(), options(), score);
  const TrainedPolicy model = policy();
  std::map<Index, Index> seen;
  std::set<std::vector<TokenId>> answers;
  for (Index r = 0; r < 5; ++r) {
    rollouts.prepare(12 * r, model.view());
    for (const Episode& episode : rollouts.episodes()) {
      ++seen[episode.prompt];
      answers.insert(episode.tokens);
      EXPECT_EQ(episode.ended, episode.tokens.back() == kEnd);
      EXPECT_LE(episode.tokens.size(), 5u);
      EXPECT_EQ(std::ranges::count(episode.tokens, kEnd), episode.ended ? 1 : 0);  // the end token is the last
    }
  }
  EXPECT_EQ(seen, (std::map<Index, Index>{{0, 12}, {1, 12}, {2, 12}, {3, 12}, {4, 12}}));  // 3 passes over 5 prompts
  EXPECT_GT(answers.size(), 40u);                                                          // of 60
}

TEST(Rollouts, ScoreTheRowsBeforeTheAnswersTokens) {
  Rollouts rollouts(prompts(), options(), score);
  const TrainedPolicy model = policy();
  rollouts.prepare(0, model.view());
  const Batches step = step_of(rollouts, 0);
  std::size_t episode = 0;
  for (const Batch& batch : step.batches) {
    std::size_t m = 0;
    for (const Sequence& sequence : batch.rows.sequences) {
      const Episode& drawn = rollouts.episodes()[episode++];
      const Prompt prompt = prompts()[static_cast<std::size_t>(drawn.prompt)];
      std::vector<TokenId> whole = prompt;
      whole.insert(whole.end(), drawn.tokens.begin(), drawn.tokens.end());
      ASSERT_EQ(sequence.length, std::ssize(whole) - 1);
      for (Index t = 0; t < sequence.length; ++t) {
        EXPECT_EQ(batch.rows.tokens[static_cast<std::size_t>(sequence.row + t)], whole[static_cast<std::size_t>(t)]);
      }
      for (std::size_t t = 0; t < drawn.tokens.size(); ++t, ++m) {
        EXPECT_EQ(batch.scored[m], sequence.row + std::ssize(prompt) - 1 + static_cast<Index>(t));
        EXPECT_EQ(batch.targets[m], drawn.tokens[t]);
      }
    }
    EXPECT_EQ(m, batch.scored.size());
  }
}

TEST(Rollouts, GiveTheSameForAnyMicroBatch) {
  const TrainedPolicy model = policy(), reference = policy(2);
  RolloutOptions wide = options(), narrow = options();
  wide.rows = 400;
  narrow.rows = 12;
  Rollouts first(prompts(), wide, score), second(prompts(), narrow, score);
  for (Rollouts* rollouts : {&first, &second}) {
    rollouts->set_reference(reference.view());
    rollouts->prepare(0, model.view());
  }
  EXPECT_EQ(step_of(first, 0).batches.size(), 1u);
  EXPECT_GT(step_of(second, 0).batches.size(), 4u);
  for (std::size_t i = 0; i < first.episodes().size(); ++i) {
    const Episode &one = first.episodes()[i], &other = second.episodes()[i];
    EXPECT_EQ(one.tokens, other.tokens);
    for (std::size_t t = 0; t < one.tokens.size(); ++t) {
      EXPECT_NEAR(one.behaviour[t], other.behaviour[t], 1e-5);
      EXPECT_NEAR(one.reference[t], other.reference[t], 1e-5);
      EXPECT_NEAR(one.advantages[t], other.advantages[t], 1e-4);
    }
  }
}

TEST(Rollouts, AreTheSameAfterTheyAreRestored) {
  const TrainedPolicy model = policy();
  Rollouts rollouts(prompts(), options({.kl_target = 1}), score), restored(prompts(), options({.kl_target = 1}), score);
  const TrainedPolicy reference = policy(2);
  rollouts.set_reference(reference.view());
  const std::vector<float> head{0.1F, -3e-9F};
  rollouts.prepare(12, model.view());
  std::vector<float> read(2);
  restored.restore(rollouts.state(head), "state", read);
  EXPECT_EQ(read, head);
  EXPECT_EQ(restored.state(head), rollouts.state(head));
  EXPECT_EQ(restored.figures().kl, rollouts.figures().kl);
  restored.prepare(12, policy(3).view());  // draws nothing: the rollout is there
  EXPECT_EQ(step_of(restored, 12).batches.front().drawn.behaviour,
            step_of(rollouts, 12).batches.front().drawn.behaviour);
}

TEST(Rollouts, OneThatIsEndedIsDrawnAgainJustTheSame) {
  struct Ended {};
  const TrainedPolicy model = policy();
  const ScoreEpisodes waits = [](std::span<const Episode> episodes, const WhileWaiting& while_waiting) {
    if (while_waiting) while_waiting();
    return score(episodes, while_waiting);
  };
  Rollouts whole(prompts(), options({.kl_target = 1}), waits), ended(prompts(), options({.kl_target = 1}), waits);
  const std::vector<float> none;
  for (Rollouts* rollouts : {&whole, &ended}) {
    rollouts->set_reference(model.view());
    rollouts->prepare(0, model.view());
  }
  int calls = 0;
  whole.prepare(12, model.view(), {.between = [&] { ++calls; }});
  for (int last = 1; last <= calls; ++last) {
    const std::string before = ended.state(none);
    const auto end = [&, left = last]() mutable {
      if (--left == 0) throw Ended();
    };
    EXPECT_THROW(ended.prepare(12, model.view(), {.between = end}), Ended);
    EXPECT_EQ(ended.state(none), before);
  }
  ended.prepare(12, model.view());
  EXPECT_EQ(ended.state(none), whole.state(none));
}

TEST(Rollouts, RefuseAStateThatDoesNotFit) {
  Rollouts rollouts(prompts(), options(), score);
  std::vector<float> none;
  const TrainedPolicy model = policy();
  rollouts.prepare(0, model.view());
  const std::string sound = rollouts.state(none);
  const std::string lacks_episodes = "is not the state of a rollout";
  for (const auto& [text, part] :
       {std::pair("{\"rollout\": 0}", lacks_episodes), {"[", "state"}, {"{}", lacks_episodes}}) {
    const char* const state = text;
    expect_error_with(ExitCode::bad_input, {part}, [&] { rollouts.restore(state, "state", none); });
  }
  Json json = Json::parse(sound);
  json["episodes"][3]["prompt"] = 5;
  expect_error_with(ExitCode::bad_input, {"does not fit"}, [&] { rollouts.restore(json.dump(), "state", none); });
  json = Json::parse(sound);
  json["episodes"].erase(1);
  expect_error_with(ExitCode::bad_input, {"does not fit"}, [&] { rollouts.restore(json.dump(), "state", none); });
  std::vector<float> head(4);
  expect_error_with(ExitCode::bad_input, {"value_head"}, [&] { rollouts.restore(sound, "state", head); });
}

TEST(Rollouts, DrawAtTheirTemperature) {  // else log p of drawing and training would differ, which prepare() refuses
  PolicyConfig config;
  config.temperature = 0.5;
  Rollouts cold(prompts(), options(config), score);
  config.temperature = 3;
  Rollouts hot(prompts(), options(config), score);
  const TrainedPolicy model = policy();
  model.weights->all() *= 4;  // sure of something
  cold.prepare(0, model.view());
  hot.prepare(0, model.view());
  EXPECT_LT(cold.figures().entropy, hot.figures().entropy);
  EXPECT_EQ(step_of(hot, 0).batches.front().temperature, 3);
}

TEST(Rollouts, MeasureTheirAnswers) {
  Rollouts rollouts(prompts(), options(), score);
  const TrainedPolicy model = policy();
  rollouts.set_reference(model.view());
  rollouts.prepare(0, model.view());
  const RolloutFigures& figures = rollouts.figures();
  EXPECT_EQ(figures.kl, 0);
  EXPECT_EQ(figures.largest_kl_of_token, 0);  // the same model: to the bit
  double reward = 0, tokens = 0, unfinished = 0;
  for (const Episode& episode : rollouts.episodes()) {
    reward += episode.score / 12;
    tokens += static_cast<double>(episode.tokens.size());
    unfinished += episode.ended ? 0 : 1.0 / 12;
  }
  EXPECT_NEAR(figures.reward, reward, 1e-12);
  EXPECT_NEAR(figures.mean_length, tokens / 12, 1e-12);
  EXPECT_NEAR(figures.unfinished, unfinished, 1e-12);
  EXPECT_GT(figures.entropy, 1);
  EXPECT_LT(figures.entropy, std::log(static_cast<double>(kVocabulary)) + 0.3);
}

TEST(Rollouts, AdaptBetaToTheTarget) {
  RolloutOptions adaptive = options({.kl_target = 1e-3, .kl_horizon = 120});
  Rollouts rollouts(prompts(), adaptive, score);
  const TrainedPolicy model = policy(), reference = policy(2);
  rollouts.set_reference(reference.view());
  for (Index r = 0; r < 3; ++r) {
    rollouts.prepare(12 * r, model.view());
    EXPECT_NEAR(rollouts.figures().kl_weight, 0.1 * std::pow(1 + 0.2 * 12 / 120, static_cast<double>(r)), 1e-12) << r;
  }
}

TEST(Rollouts, KeepAnAdaptedBetaPositiveWhereARolloutIsLongerThanTheHorizon) {
  Rollouts rollouts(prompts(), options({.kl_target = 1e3, .kl_horizon = 2}), score);  // 12 answers a rollout
  const TrainedPolicy model = policy();
  rollouts.set_reference(model.view());
  for (Index r = 0; r < 3; ++r) {
    rollouts.prepare(12 * r, model.view());
    EXPECT_NEAR(rollouts.figures().kl_weight, 0.1 * std::pow(0.8, static_cast<double>(r)), 1e-12) << r;
  }
}

}  // namespace
}  // namespace kiln
