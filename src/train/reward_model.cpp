// Lays answers end to end, and reads the score at the end of each.
#include "kiln/train/reward_model.h"

#include "kiln/core/error.h"
#include "kiln/core/report.h"
#include "kiln/run/model_chat.h"
#include "kiln/train/evaluate.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace kiln {
namespace {

constexpr double kBinWidth = 0.1;  // of a probability, from 0.5 on
constexpr std::size_t kBins = 5;

/// Returns a conversation's tokens up to the end of the answer's turn, without as many of the first as do not fit;
/// none if the answer alone does not fit.
std::vector<TokenId> tokens_of(const ChatTemplate& chat, const AnswerToScore& answer, Index n_ctx) {
  if (trim_content(answer.answer).empty()) return {};
  std::vector<ChatMessage> messages(answer.messages.begin(), answer.messages.end());
  messages.push_back({ChatRole::assistant, std::string(answer.answer)});
  const ChatTokens tokens = chat.tokens(messages, Supervise::completion);
  const auto end = std::ranges::find(tokens.supervised.rbegin(), tokens.supervised.rend(), 1).base();
  const Index count = end - tokens.supervised.begin();
  const Index own = std::count(tokens.supervised.begin(), end, 1);
  if (own >= n_ctx) return {};
  const auto first = tokens.ids.begin() + std::max<Index>(0, count - n_ctx);
  return {first, tokens.ids.begin() + count};
}

double log_of(double probability) { return std::log(std::max(probability, std::numeric_limits<double>::min())); }

/// Returns the model, if it is a reward model.
LoadedModel checked(LoadedModel loaded) {
  check(loaded.model->config().head == HeadKind::score,
        "{}: is no reward model; train one with objective.type \"reward\"", loaded.source.folder.string());
  return loaded;
}

}  // namespace

RewardModel::RewardModel(LoadedModel loaded)
    : loaded_(checked(std::move(loaded))),
      name_(model_name(loaded_.source.folder)),
      chat_(chat_template_of(loaded_, std::nullopt, "chat.template")) {}

std::vector<std::optional<double>> RewardModel::scores(std::span<const AnswerToScore> answers) const {
  const ModelConfig& config = loaded_.model->config();
  const Index rows = evaluation_rows(config);
  const ModelView model = loaded_.view();
  const auto runner = model.make_runner({.rows = rounded_up_rows(rows), .scored = rows});
  std::vector<std::optional<double>> scores(answers.size());
  TokenRows batch;
  std::vector<Index> ends;          // rows to score
  std::vector<std::size_t> places;  // in `scores`
  const auto score_batch = [&] {
    if (ends.empty()) return;
    std::vector<float> numbers(ends.size());
    const std::vector<std::int32_t> targets(ends.size(), 0);
    batch.round_up(kRowMultiple);
    runner->forward(model.weights, batch);
    runner->score({ends, targets}, Vec<float>(numbers.data(), std::ssize(numbers)));
    for (std::size_t i = 0; i < ends.size(); ++i) {
      const double number = static_cast<double>(numbers[i]);
      if (!std::isfinite(number))
        fail(ExitCode::diverged, "{}: a score is not finite; the model has diverged", loaded_.source.folder.string());
      scores[places[i]] = (number - loaded_.source.rewards.mean) / loaded_.source.rewards.deviation;
    }
    batch.clear();
    ends.clear();
    places.clear();
  };
  Work work("scoring", static_cast<double>(answers.size()), "answers");
  for (std::size_t i = 0; i < answers.size(); ++i) {
    const std::vector<TokenId> tokens = tokens_of(chat_, answers[i], config.n_ctx);
    work.add(1);
    if (tokens.empty()) continue;
    if (batch.size() + std::ssize(tokens) > rows) score_batch();
    batch.append(tokens);
    ends.push_back(batch.size() - 1);
    places.push_back(i);
  }
  score_batch();
  return scores;
}

double RewardModel::probability(double difference) const {
  return 1 / (1 + std::exp(-difference * loaded_.source.rewards.deviation));
}

RewardReport report_on_scores(std::span<const JudgedPrompt> prompts,
                              std::span<const std::vector<std::optional<double>>> scores, const RewardModel& model) {
  std::vector<TrialGroup> all;
  std::vector<std::vector<TrialGroup>> bins(kBins);
  std::vector<double> sums(kBins, 0.0);  // of the probabilities
  double loss = 0, pairs = 0;
  for (std::size_t p = 0; p < prompts.size(); ++p) {
    TrialGroup group;
    std::vector<TrialGroup> binned(kBins);
    for (const Judgement& judgement : prompts[p].judgements) {
      for (const JudgedPair& pair : pairs_of(judgement)) {
        const std::optional<double> better = scores[p][pair.better], worse = scores[p][pair.worse];
        if (pair.is_tie || judgement.probability == 0.5 || !better || !worse) continue;
        const double difference = *better - *worse;
        const double right = difference > 0 ? 1 : difference == 0 ? 0.5 : 0;
        const double confidence = model.probability(std::abs(difference));
        const auto bin = std::min(kBins - 1, static_cast<std::size_t>((confidence - 0.5) / kBinWidth));
        for (TrialGroup* tally : {&group, &binned[bin]}) {
          tally->hits += right;
          tally->trials += 1;
        }
        sums[bin] += confidence;
        const double p = judgement.probability;
        loss -= p * log_of(model.probability(difference)) + (1 - p) * log_of(model.probability(-difference));
        ++pairs;
      }
    }
    if (group.trials > 0) all.push_back(group);
    for (std::size_t bin = 0; bin < kBins; ++bin) {
      if (binned[bin].trials > 0) bins[bin].push_back(binned[bin]);
    }
  }
  RewardReport report{.accuracy = share_of(all), .log_loss = loss / pairs, .calibration = {}};
  for (std::size_t bin = 0; bin < kBins; ++bin) {
    if (bins[bin].empty()) continue;
    const double low = 0.5 + kBinWidth * static_cast<double>(bin);
    const Share right = share_of(bins[bin]);
    report.calibration.push_back({low, low + kBinWidth, sums[bin] / right.trials, right});
  }
  return report;
}

}  // namespace kiln
