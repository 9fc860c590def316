// Draws all answers of a rollout together, scores them, and lays them end to end for each step.
#include "train/rollouts.h"

#include "kiln/core/error.h"
#include "kiln/core/json.h"
#include "kiln/core/report.h"
#include "kiln/core/rng.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cassert>
#include <cmath>
#include <numeric>
#include <set>
#include <utility>

namespace kiln {
namespace {

// How far log p of a drawn token may be from that of training, relative to it if it is above 1. Sampling multiplies few
// rows at a time, so that its sums have another order. In bfloat16 each of the roundings that this changes moves a
// logit of 20 by up to 20 * 2^-9 = 0.04; they have no direction, so that the mean over a rollout's tokens is far
// nearer.
constexpr double kDrawnTolerance = 1e-5, kDrawnToleranceBf16 = 0.25, kMeanTolerance = 0.02;

Json to_json(const Episode& episode) {
  return {{"prompt", episode.prompt}, {"tokens", episode.tokens},       {"ended", episode.ended},
          {"score", episode.score},   {"behaviour", episode.behaviour}, {"reference", episode.reference},
          {"values", episode.values}, {"returns", episode.returns},     {"advantages", episode.advantages}};
}

Episode episode_of(const Json& json) {
  Episode episode;
  json.at("prompt").get_to(episode.prompt);
  json.at("tokens").get_to(episode.tokens);
  json.at("ended").get_to(episode.ended);
  json.at("score").get_to(episode.score);
  json.at("behaviour").get_to(episode.behaviour);
  json.at("reference").get_to(episode.reference);
  json.at("values").get_to(episode.values);
  json.at("returns").get_to(episode.returns);
  json.at("advantages").get_to(episode.advantages);
  return episode;
}

/// Throws Error (failure) if log p differs in one direction.
void check_mean_of_drawn(Index rollout, double difference) {
  if (std::abs(difference) <= kMeanTolerance) return;
  fail(ExitCode::failure,
       "rollout {}: log p of the drawn tokens is {:.4f} above that of training, on average, where at most {:g} is due "
       "to "
       "rounding; report this as a bug",
       rollout, difference, kMeanTolerance);
}

/// What a forward tells of a token.
struct Measured {
  double log_prob, value;
};

}  // namespace

Rollouts::Rollouts(std::vector<Prompt> prompts, const RolloutOptions& options, ScoreEpisodes score)
    : prompts_(std::move(prompts)),
      options_(options),
      score_(std::move(score)),
      prompt_order_({{.size = std::ssize(prompts_)}}, options.order, options.seed),
      kl_weight_(options.kl_weight) {}

void Rollouts::prepare(Index first, const ModelView& model, const RolloutWatch& watch) {
  if (is_drawn(first)) return;
  Rollout rollout = draw(first / examples_per_rollout(), model, watch.on_token);
  rollout.figures.kl_weight = kl_weight_;
  const ScoredAnswers scored = score_(rollout.episodes, watch.between);
  for (std::size_t i = 0; i < rollout.episodes.size(); ++i) rollout.episodes[i].score = scored.scores[i];
  rollout.figures.parts = scored.parts;
  evaluate(rollout, model, &Episode::behaviour, watch.between);
  check_drawn(rollout, model.precision);
  if (reference_) evaluate(rollout, *reference_, &Episode::reference, watch.between);
  set_advantages(rollout.episodes, options_.policy, kl_weight_);
  measure(rollout);
  adapt_kl_weight(rollout.figures);
  rollout_ = std::move(rollout);
}

Rollouts::Rollout Rollouts::draw(Index number, const ModelView& model, const std::function<void()>& on_token) {
  const PolicyConfig& policy = options_.policy;
  Rollout rollout;
  rollout.number = number;
  World& world = *options_.world;
  const Index own = policy.prompts * world.rank() / world.size();  // the first that this rank draws answers to
  const Index end = policy.prompts * (world.rank() + 1) / world.size();
  std::vector<Prompt> prompts;
  for (Index i = 0; i < policy.prompts; ++i) {
    const Index prompt = prompt_order_.example(number * policy.prompts + i);
    if (i >= own && i < end) prompts.push_back(prompts_[static_cast<std::size_t>(prompt)]);
    for (Index k = 0; k < policy.answers; ++k) {
      Episode& episode = rollout.episodes.emplace_back();
      episode.prompt = prompt;
    }
  }
  rollout.drawn.resize(rollout.episodes.size());
  GenerationOptions options;
  options.sampling.temperature = policy.temperature;
  options.max_tokens = policy.max_tokens;
  options.samples = policy.answers;
  options.seed = options_.seed;
  options.draws = DrawStream::of_number;
  const Index first = own * policy.answers;
  options.first_number = static_cast<std::uint64_t>(number * episode_count() + first);
  options.end_tokens = options_.end_tokens;
  options.keeps_end = true;
  options.overflow = ContextOverflow::stop;
  options.log_probabilities = LogProbabilities::at_temperature;
  Work work("drawing", static_cast<double>(episode_count()), "answers");
  const auto keep = [&](Index sample, TokenId token, double log_probability) {
    if (on_token) on_token();
    const auto episode = static_cast<std::size_t>(first + sample);
    std::vector<TokenId>& tokens = rollout.episodes[episode].tokens;
    tokens.push_back(token);
    rollout.drawn[episode].push_back(log_probability);
    return !options_.ends || !options_.ends(prompts[static_cast<std::size_t>(sample / policy.answers)], tokens);
  };
  const auto finish = [&](Index sample, Finish how) {
    rollout.episodes[static_cast<std::size_t>(first + sample)].ended = how != Finish::length;
    work.add(1);
  };
  if (!prompts.empty()) generate(model, prompts, options, keep, finish);
  share_drawn(rollout, first, end * policy.answers);
  return rollout;
}

/// Gives all ranks what each has drawn: this one episodes [first, last).
void Rollouts::share_drawn(Rollout& rollout, Index first, Index last) const {
  struct Drawn {
    Index tokens;
    bool ended;
  };
  World& world = *options_.world;
  if (world.size() == 1) return;
  std::vector<Drawn> own;
  std::vector<TokenId> own_tokens;
  std::vector<double> own_log_probs;
  for (Index i = first; i < last; ++i) {
    const auto at = static_cast<std::size_t>(i);
    const Episode& episode = rollout.episodes[at];
    own.push_back({std::ssize(episode.tokens), episode.ended});
    own_tokens.insert(own_tokens.end(), episode.tokens.begin(), episode.tokens.end());
    own_log_probs.insert(own_log_probs.end(), rollout.drawn[at].begin(), rollout.drawn[at].end());
  }
  const std::vector<Drawn> drawn = world.gather_all(own);
  const std::vector<TokenId> tokens = world.gather_all(own_tokens);
  const std::vector<double> log_probs = world.gather_all(own_log_probs);
  Index begin = 0;
  for (std::size_t i = 0; i < drawn.size(); begin += drawn[i++].tokens) {
    rollout.episodes[i].ended = drawn[i].ended;
    rollout.episodes[i].tokens.assign(tokens.begin() + begin, tokens.begin() + begin + drawn[i].tokens);
    rollout.drawn[i].assign(log_probs.begin() + begin, log_probs.begin() + begin + drawn[i].tokens);
  }
}

/// Computes log p of all tokens under a model, and values if it has a head for them, on the batches of the first pass.
void Rollouts::evaluate(Rollout& rollout, const ModelView& model, std::vector<double> Episode::*log_probs,
                        const WhileWaiting& between) {
  const auto runner =
      model.make_runner({.rows = rounded_up_rows(options_.rows), .scored = rounded_up_rows(options_.rows)});
  const std::vector<Index>& order = order_of(rollout.number, 0);
  Batch batch;
  std::vector<float> outputs;  // -log p, and values
  std::vector<Measured> measured;
  for (const ExampleRange& range : ranges_of(options_.world->rank(), rollout, order)) {
    if (between) between();
    const Index begin = range.first, end = range.first + range.count;
    batch.clear();
    batch.temperature = options_.policy.temperature;
    for (Index i = begin; i < end; ++i) {
      append(rollout.episodes[static_cast<std::size_t>(order[static_cast<std::size_t>(i)])], batch);
    }
    batch.rows.round_up(kRowMultiple);
    const bool has_values = model.config.head == HeadKind::next_token_and_value;
    const std::size_t M = batch.targets.size();
    outputs.resize(has_values ? 2 * M : M);
    runner->forward(model.weights, batch.rows);
    runner->score(batch.scored_targets(), Vec<float>(outputs.data(), std::ssize(outputs)));
    std::size_t m = 0;
    for (Index i = begin; i < end; ++i) {
      const Episode& episode = rollout.episodes[static_cast<std::size_t>(order[static_cast<std::size_t>(i)])];
      for (std::size_t t = 0; t < episode.tokens.size(); ++t, ++m) {
        measured.push_back({-static_cast<double>(outputs[m]), has_values ? static_cast<double>(outputs[M + m]) : 0});
      }
    }
  }
  std::size_t m = 0;
  const std::vector<Measured> all = options_.world->gather_all(measured);
  for (int rank = 0; rank < options_.world->size(); ++rank) {
    for (const ExampleRange& range : ranges_of(rank, rollout, order)) {
      for (Index i = range.first; i < range.first + range.count; ++i) {
        Episode& episode = rollout.episodes[static_cast<std::size_t>(order[static_cast<std::size_t>(i)])];
        for (std::size_t t = 0; t < episode.tokens.size(); ++t, ++m) {
          (episode.*log_probs).push_back(all[m].log_prob);
          if (model.config.head == HeadKind::next_token_and_value) episode.values.push_back(all[m].value);
        }
      }
    }
  }
}

/// Returns the ranges of a pass, of all its steps, that the rank `rank` trains on.
std::vector<ExampleRange> Rollouts::ranges_of(int rank, const Rollout& rollout, const std::vector<Index>& order) const {
  const Index of_step = episode_count() / options_.policy.minibatches;
  std::vector<ExampleRange> ranges;
  for (Index first = 0; first < episode_count(); first += of_step) {
    std::vector<ExampleRange> micro_batches;
    for (Index begin = first; begin < first + of_step; begin += micro_batches.back().count) {
      micro_batches.push_back({begin, fit(order, rollout.episodes, begin)});
    }
    for (const ExampleRange& range : part_of_step(micro_batches, rank, options_.world->size())) {
      if (range.count > 0) ranges.push_back(range);
    }
  }
  return ranges;
}

/// Throws Error (failure) unless training gives the drawn tokens the probabilities that they were drawn with.
void Rollouts::check_drawn(const Rollout& rollout, Precision precision) const {
  const double tolerance = precision == Precision::fp32 ? kDrawnTolerance : kDrawnToleranceBf16;
  double sum = 0, tokens = 0;
  for (std::size_t i = 0; i < rollout.episodes.size(); ++i) {
    const Episode& episode = rollout.episodes[i];
    for (std::size_t t = 0; t < episode.tokens.size(); ++t) {
      const double drawn = rollout.drawn[i][t], trained = episode.behaviour[t];
      sum += drawn - trained;
      tokens += 1;
      if (std::abs(drawn - trained) <= tolerance * std::max(1.0, std::abs(trained))) continue;
      fail(ExitCode::failure,
           "rollout {}: token {} of answer {} (id {}) was drawn with log p {:.7f}, and training gives it {:.7f}, which "
           "must be the same to within {:g}; report this as a bug",
           rollout.number, t + 1, i + 1, episode.tokens[t], drawn, trained, tolerance);
    }
  }
  check_mean_of_drawn(rollout.number, sum / tokens);
}

void Rollouts::measure(Rollout& rollout) const {
  RolloutFigures& figures = rollout.figures;
  const auto n = static_cast<double>(rollout.episodes.size());
  double squares = 0, tokens = 0, unlikely = 0;
  figures.least_length = static_cast<double>(rollout.episodes.front().tokens.size());
  for (const Episode& episode : rollout.episodes) {
    const auto length = static_cast<double>(episode.tokens.size());
    figures.reward += episode.score / n;
    figures.kl += divergence_of(episode) / n;
    for (std::size_t t = 0; t < episode.reference.size(); ++t) {
      const double d = episode.behaviour[t] - episode.reference[t];
      figures.kl_k3 += (std::expm1(-d) + d) / n;
      figures.largest_kl_of_token = std::max(figures.largest_kl_of_token, std::abs(d));
    }
    for (const double log_p : episode.behaviour) unlikely -= log_p;
    tokens += length;
    figures.least_length = std::min(figures.least_length, length);
    figures.largest_length = std::max(figures.largest_length, length);
    if (!episode.ended) figures.unfinished += 1 / n;
  }
  for (const Episode& episode : rollout.episodes) squares += std::pow(episode.score - figures.reward, 2);
  figures.reward_deviation = n > 1 ? std::sqrt(squares / (n - 1)) : 0;
  figures.entropy = unlikely / tokens;
  figures.mean_length = tokens / n;
  const auto group = static_cast<std::size_t>(options_.policy.answers);
  for (std::size_t first = 0; first < rollout.episodes.size(); first += group) {
    const std::span<const Episode> answers = std::span(rollout.episodes).subspan(first, group);
    const bool are_equal =
        std::ranges::all_of(answers, [&](const Episode& e) { return e.score == answers.front().score; });
    if (are_equal) figures.equal_groups += 1 / static_cast<double>(options_.policy.prompts);
  }
}

/// Moves beta towards what holds the divergence at its target (arXiv:1909.08593), by a fifth at most, so that it stays
/// above 0 whatever the horizon.
void Rollouts::adapt_kl_weight(const RolloutFigures& figures) {
  constexpr double kMostError = 0.2;
  if (!options_.policy.kl_target) return;
  const double error = std::clamp(figures.kl / *options_.policy.kl_target - 1, -kMostError, kMostError);
  kl_weight_ *= 1 + error * std::min(1.0, static_cast<double>(episode_count()) / options_.policy.kl_horizon);
}

Index Rollouts::rows_of(const Episode& episode) const {  // nothing follows the last token
  return std::ssize(prompts_[static_cast<std::size_t>(episode.prompt)]) + std::ssize(episode.tokens) - 1;
}

/// Returns the order of the episodes in a pass.
const std::vector<Index>& Rollouts::order_of(Index number, Index pass) {
  const Index pass_number = number * *options_.policy.passes + pass;
  if (order_number_ == pass_number) return order_;
  order_number_ = pass_number;
  order_.resize(static_cast<std::size_t>(episode_count()));
  std::iota(order_.begin(), order_.end(), 0);
  Rng rng(options_.seed, "rollout order", static_cast<std::uint64_t>(pass_number));
  if (options_.policy.minibatches == 1) return order_;
  for (std::size_t left = order_.size(); left > 1; --left) std::swap(order_[left - 1], order_[rng.below(left)]);
  return order_;
}

/// Returns how many episodes from place `begin` of a pass on make a micro-batch.
Index Rollouts::fit(const std::vector<Index>& order, std::span<const Episode> episodes, Index begin) const {
  const Index of_step = episode_count() / options_.policy.minibatches;
  const Index limit = (begin / of_step + 1) * of_step;
  Index rows = 0, end = begin;
  for (; end < limit; ++end) {
    rows += rows_of(episodes[static_cast<std::size_t>(order[static_cast<std::size_t>(end)])]);
    if (rows > options_.rows) break;
  }
  assert(end > begin);
  return end - begin;
}

Index Rollouts::count(Index first, Index micro_batch) {
  const Index place = first % episode_count(), of_step = episode_count() / options_.policy.minibatches;
  if (micro_batch > 0 && place % of_step == 0) return 0;
  assert(rollout_.number == first / examples_per_rollout() && "prepare() draws the rollout");
  return fit(order_of_example(first), rollout_.episodes, place);
}

void Rollouts::fill(Index first, Index count, Batch& batch) {
  batch.clear();
  assert(rollout_.number == first / examples_per_rollout() && "prepare() draws the rollout");
  const std::vector<Index>& order = order_of_example(first);
  const Index place = first % episode_count();
  for (Index i = place; i < place + count; ++i) {
    append(rollout_.episodes[static_cast<std::size_t>(order[static_cast<std::size_t>(i)])], batch);
  }
  batch.temperature = options_.policy.temperature;
  batch.drawn.kl_weight = rollout_.figures.kl_weight;
  batch.drawn.values_alone = rollout_.number < options_.policy.value_warmup;
  batch.rows.round_up(kRowMultiple);
}

/// Returns the order of the episodes in the pass that holds example `first`.
const std::vector<Index>& Rollouts::order_of_example(Index first) {
  return order_of(first / examples_per_rollout(), first / episode_count() % *options_.policy.passes);
}

/// Appends a prompt and its answer, whose tokens are scored.
void Rollouts::append(const Episode& episode, Batch& batch) const {
  const Prompt& prompt = prompts_[static_cast<std::size_t>(episode.prompt)];
  const Index first = batch.rows.size();
  const std::span<std::int32_t> inputs = batch.rows.append(rows_of(episode));
  std::copy(prompt.begin(), prompt.end(), inputs.begin());
  std::copy(episode.tokens.begin(), episode.tokens.end() - 1, inputs.begin() + std::ssize(prompt));
  const auto n = episode.tokens.size();
  const float weight = options_.policy.loss_type == LossType::dapo ? 1
                       : options_.policy.loss_type == LossType::grpo
                           ? 1 / static_cast<float>(n)
                           : 1 / static_cast<float>(options_.policy.max_tokens);
  for (std::size_t t = 0; t < n; ++t) {
    batch.scored.push_back(first + std::ssize(prompt) - 1 + static_cast<Index>(t));
    batch.targets.push_back(episode.tokens[t]);
    batch.weights.push_back(weight);
  }
  const auto add = [](std::vector<double>& all, const std::vector<double>& more) {
    all.insert(all.end(), more.begin(), more.end());
  };
  add(batch.drawn.behaviour, episode.behaviour);
  add(batch.drawn.advantages, episode.advantages);
  add(batch.drawn.values, episode.values);
  add(batch.drawn.returns, episode.returns);
  if (options_.policy.kl != KlPlace::k1_in_reward) add(batch.drawn.reference, episode.reference);
}

Index Rollouts::epoch() const {
  const Index prompts = options_.policy.prompts;
  return (std::ssize(prompts_) + prompts - 1) / prompts * examples_per_rollout();
}

Index Rollouts::steps_of_epochs(double epochs) {
  constexpr double kMostSteps = 1e12;
  const PolicyConfig& policy = options_.policy;
  const double prompts = epochs * static_cast<double>(prompts_.size()) * (1 - 1e-12);
  const double rollouts = std::max(1.0, std::ceil(prompts / static_cast<double>(policy.prompts)));
  const double steps = rollouts * static_cast<double>(*policy.passes * policy.minibatches);
  check(steps <= kMostSteps, "train.epochs {} are {:.2g} steps, more than can be counted; lower it, or set train.steps",
        epochs, steps);
  return static_cast<Index>(steps);
}

std::string Rollouts::state(std::span<const float> value_head) const {
  const RolloutFigures& figures = rollout_.figures;
  Json parts = Json::array(), episodes = Json::array();
  for (const RewardFigures& part : figures.parts) {
    parts.push_back({{"name", part.name}, {"mean", part.mean}, {"deviation", part.deviation}});
  }
  for (const Episode& episode : rollout_.episodes) episodes.push_back(to_json(episode));
  const Json json{{"kl_weight", kl_weight_},
                  {"rollout", rollout_.number},
                  {"rollout_kl_weight", figures.kl_weight},
                  {"rewards", parts},
                  {"episodes", episodes},
                  {"value_head", std::vector<float>(value_head.begin(), value_head.end())}};
  return json.dump() + "\n";
}

void Rollouts::restore(const std::string& state, const std::string& source, std::span<float> value_head) {
  const Json json = parse_json(state, source, ExitCode::bad_input);
  try {
    Rollout rollout;
    json.at("rollout").get_to(rollout.number);
    for (const Json& episode : json.at("episodes")) rollout.episodes.push_back(episode_of(episode));
    json.at("rollout_kl_weight").get_to(rollout.figures.kl_weight);
    for (const Json& part : json.at("rewards")) {
      rollout.figures.parts.push_back({part.at("name"), part.at("mean"), part.at("deviation")});
    }
    json.at("kl_weight").get_to(kl_weight_);
    const bool is_whole = rollout.number < 0 || std::ssize(rollout.episodes) == episode_count();
    const auto is_sound = [&](const Episode& e) {
      const std::size_t n = e.tokens.size();
      return n > 0 && e.prompt >= 0 && e.prompt < std::ssize(prompts_) && e.behaviour.size() == n &&
             e.advantages.size() == n && rows_of(e) <= options_.rows;
    };
    check_input(is_whole && std::ranges::all_of(rollout.episodes, is_sound),
                "{}: the rollout does not fit the run's prompts or section policy", source);
    const auto head = json.at("value_head").get<std::vector<float>>();
    check_input(head.size() == value_head.size(), "{}: /value_head: {} numbers are expected", source,
                value_head.size());
    std::ranges::copy(head, value_head.begin());
    if (rollout.number >= 0) measure(rollout);
    rollout_ = std::move(rollout);
  } catch (const Json::exception& error) {
    fail(ExitCode::bad_input, "{}: is not the state of a rollout: {}", source, error.what());
  }
}

}  // namespace kiln
