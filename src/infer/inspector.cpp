// Reads the logits of a few rows at a time, so that memory does not grow with the text.
#include "kiln/infer/inspector.h"

#include "kiln/core/error.h"
#include "kiln/core/format.h"
#include "kiln/infer/context.h"

#include "infer/distribution.h"
#include <algorithm>
#include <cassert>
#include <numeric>

namespace kiln {
namespace {

constexpr Index kRows = 64;  // of logits at a time

}  // namespace

Inspector::Inspector(const ModelView& model, std::span<const TokenId> tokens, bool keeps_layers)
    : vocab_size_(model.vocab_size), n_layers_(model.config.n_layers) {
  const std::span<const TokenId> fitting = fit_context(tokens, model.config.n_ctx, model.vocab_size);
  check(fitting.size() == tokens.size(), "the text has {}, and the model reads at most {}",
        counted(std::ssize(tokens), "token"), format_count(std::ssize(fitting)));
  rows_.append(tokens);
  RunnerOptions options{.rows = rows()};
  if (keeps_layers) options.backward = Recompute::mlp;
  runner_ = model.make_runner(options);
  runner_->forward(model.weights, rows_);
}

std::optional<TokenId> Inspector::next_of(Index row) const {
  const auto next = static_cast<std::size_t>(row + 1);
  return next < rows_.tokens.size() ? std::optional(rows_.tokens[next]) : std::nullopt;
}

void Inspector::read_logits(Index first, Index count, const Read& read) {
  assert(first >= 0 && first + count <= rows());
  RowMajor<float> logits(std::min(count, kRows), vocab_size_);
  std::vector<Index> chosen;
  for (Index begin = first; begin < first + count; begin += kRows) {
    chosen.resize(static_cast<std::size_t>(std::min(kRows, first + count - begin)));
    std::iota(chosen.begin(), chosen.end(), begin);
    runner_->logits(chosen, mat(logits.data(), std::ssize(chosen), vocab_size_));
    for (const Index row : chosen) {
      read(row, ConstVec<float>(logits.data() + (row - begin) * vocab_size_, vocab_size_));
    }
  }
}

std::vector<Forecast> Inspector::forecasts(Index first, Index count, Index top) {
  std::vector<Forecast> forecasts;
  std::vector<TokenId> order;
  read_logits(first, count, [&](Index row, ConstVec<float> logits) {
    const Distribution distribution(logits);
    Forecast& forecast = forecasts.emplace_back(Forecast{distribution.top(top, order), std::nullopt});
    const std::optional<TokenId> next = next_of(row);
    if (!next) return;
    forecast.next = {*next, distribution.probability(*next), distribution.loss(*next), distribution.rank(*next), {}};
  });
  return forecasts;
}

std::vector<LensReading> Inspector::lens(Index layer, Index first, std::span<const TokenId> answers) {
  std::vector<LensReading> readings;
  runner_->end_at(layer);
  read_logits(first, std::ssize(answers), [&](Index row, ConstVec<float> logits) {
    const Distribution distribution(logits);
    const TokenId likeliest = distribution.likeliest();
    LensReading& reading = readings.emplace_back(
        LensReading{.top = {likeliest, distribution.probability(likeliest)},
                    .answer = distribution.probability(answers[static_cast<std::size_t>(row - first)]),
                    .next = std::nullopt});
    if (const std::optional<TokenId> next = next_of(row)) reading.next = distribution.probability(*next);
  });
  runner_->end_at(n_layers_);
  return readings;
}

RowMajor<float> Inspector::attention(Index layer, Index head) {
  RowMajor<float> probabilities(rows(), rows());
  runner_->attention(layer, head, mat(probabilities.data(), rows(), rows()));
  return probabilities;
}

}  // namespace kiln
