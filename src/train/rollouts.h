// Draws answers from the model that learns, and makes batches of them.
#pragma once

#include "kiln/core/world.h"
#include "kiln/data/batch.h"
#include "kiln/data/mix_order.h"
#include "kiln/infer/generate.h"
#include "kiln/nn/model_weights.h"
#include "kiln/run/policy_config.h"

#include "train/episode.h"
#include "train/rewards.h"
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace kiln {

/// What a rollout's answers have in common; means over their tokens or answers.
struct RolloutFigures {
  double reward = 0, reward_deviation = 0;  // of the answers' scores
  double kl = 0, kl_k3 = 0;                 // nats per answer from the reference, by two estimators
  double entropy = 0;                       // nats per token: the mean of -log p of the drawn tokens
  double equal_groups = 0;                  // share of the groups whose scores are all the same
  double mean_length = 0, least_length = 0, largest_length = 0;  // tokens
  double unfinished = 0;                                         // share of the answers that did not end by themselves
  double kl_weight = 0;                                          // beta, which the rollout's advantages were made with
  double largest_kl_of_token = 0;                                // |log p - log p of the reference|
  std::vector<RewardFigures> parts;
};

/// Returns true if an answer ends with its last token, beside the end tokens.
using EndsAnswer = std::function<bool(const Prompt& prompt, std::span<const TokenId> answer)>;

struct RolloutOptions {
  PolicyConfig policy = {};  // resolved
  double kl_weight = 0;      // beta at the start; 0: there is no reference
  Index rows = 0;            // of a micro-batch, at most: no prompt with its answer has more
  std::vector<TokenId> end_tokens = {};
  EndsAnswer ends = {};
  DataOrder order = DataOrder::shuffle;  // of the prompts
  std::uint64_t seed = 0;
  World* world = &World::alone();  // whose ranks share the prompts
};

/// Scores answers, whose scores must be finite, the same on all ranks. Calls `while_waiting` as Rewards does.
using ScoreEpisodes = std::function<ScoredAnswers(std::span<const Episode>, const WhileWaiting& while_waiting)>;

/// Watches a rollout as it is drawn. A function that throws ends it, and leaves the state of the rollouts unchanged.
struct RolloutWatch {
  std::function<void()> on_token = {};  // each token is drawn
  WhileWaiting between = {};            // between other forwards, and while a program scores
};

/// The batches of policy gradients. Rollout r draws policy.answers answers to each of the next policy.prompts prompts,
/// and gives them policy.passes times, each time in policy.minibatches steps. An example is an answer in a pass.
///
/// Ranks share the prompts of a rollout and the forwards, and all have the whole rollout.
///
/// Log probabilities of the drawing model and of the reference come from forwards of the very batches that train, so
/// that the ratio of a rollout's first step is 1 to the bit. Rollouts are functions of the weights, the seed and their
/// number: an interrupted one is drawn again just the same.
class Rollouts final : public BatchSource {
 public:
  /// There must be prompts, each shorter than n_ctx. `score` is called once a rollout.
  Rollouts(std::vector<Prompt> prompts, const RolloutOptions& options, ScoreEpisodes score);

  /// Sets the reference, which must outlive this object. Without it, answers have no log p under a reference.
  void set_reference(const ModelView& reference) { reference_.emplace(reference); }

  /// Draws the rollout of example `first` from the model, unless it is there already. Throws Error: failure if the log
  /// probabilities of drawing and training differ; as the rewards do. Throws what `watch` throws.
  void prepare(Index first, const ModelView& model, const RolloutWatch& watch = {});

  /// Returns true if the rollout of example `first` is there.
  bool is_drawn(Index first) const { return rollout_.number == first / examples_per_rollout(); }
  /// Returns true if the first step of a rollout begins with example `first`.
  bool begins_rollout(Index first) const { return first % examples_per_rollout() == 0; }
  /// Returns the first example of the next rollout.
  Index next_rollout(Index first) const { return (first / examples_per_rollout() + 1) * examples_per_rollout(); }

  const RolloutFigures& figures() const { return rollout_.figures; }
  std::span<const Episode> episodes() const { return rollout_.episodes; }
  const RolloutOptions& options() const { return options_; }

  /// Returns the rollout at work, the adapted beta and a value head as JSON; restore() takes it back. Throws Error
  /// (bad_input) that names `source` if the text is not such a state. `value_head` are its weights; empty without one.
  std::string state(std::span<const float> value_head) const;
  void restore(const std::string& state, const std::string& source, std::span<float> value_head);

  std::string_view unit() const override { return "answer"; }
  /// Returns the answers of as many rollouts as take each prompt once.
  Index epoch() const override;
  Index count(Index first, Index micro_batch) override;
  void fill(Index first, Index count, Batch& batch) override;
  Index steps_of_epochs(double epochs) override;

 private:
  struct Rollout {
    Index number = -1;
    std::vector<Episode> episodes;
    RolloutFigures figures;
    std::vector<std::vector<double>> drawn;  // log p of the episodes' tokens when they were drawn, until it is checked
  };

  Index episode_count() const { return options_.policy.episodes(); }
  Index examples_per_rollout() const { return episode_count() * *options_.policy.passes; }
  Index rows_of(const Episode& episode) const;

  Rollout draw(Index number, const ModelView& model, const std::function<void()>& on_token);
  void share_drawn(Rollout& rollout, Index first, Index last) const;
  void evaluate(Rollout& rollout, const ModelView& model, std::vector<double> Episode::*log_probs,
                const WhileWaiting& between);
  void check_drawn(const Rollout& rollout, Precision precision) const;
  void measure(Rollout& rollout) const;
  void adapt_kl_weight(const RolloutFigures& figures);
  std::vector<ExampleRange> ranges_of(int rank, const Rollout& rollout, const std::vector<Index>& order) const;
  const std::vector<Index>& order_of(Index number, Index pass);
  const std::vector<Index>& order_of_example(Index first);
  Index fit(const std::vector<Index>& order, std::span<const Episode> episodes, Index begin) const;
  void append(const Episode& episode, Batch& batch) const;

  std::vector<Prompt> prompts_;
  RolloutOptions options_;
  ScoreEpisodes score_;
  std::optional<ModelView> reference_;
  MixOrder prompt_order_;
  double kl_weight_;
  Rollout rollout_;
  std::vector<Index> order_;  // of the episodes in a pass
  Index order_number_ = -1;   // of the pass, counted over all rollouts
};

}  // namespace kiln
