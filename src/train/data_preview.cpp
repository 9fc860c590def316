// Reads the batches that a run would begin with.
#include "kiln/train/data_preview.h"

#include "train/policy_data.h"
#include "train/training_data.h"
#include <algorithm>
#include <utility>

namespace kiln {
namespace {

/// Returns how the batch's comparisons name an answer.
std::string label_of(const Batch& batch, Index sequence) {
  bool is_chosen = false, is_rejected = false;
  for (const Comparison& comparison : batch.comparisons) {
    is_chosen = is_chosen || comparison.chosen == sequence;
    is_rejected = is_rejected || std::ranges::find(comparison.rejected, sequence) != comparison.rejected.end();
  }
  if (is_chosen && is_rejected) return "chosen and rejected";
  return is_chosen ? "chosen" : is_rejected ? "rejected" : "";
}

/// Appends the batch's sequences, with the target of each one's last row, if that is scored. A score head scores the
/// tokens of its rows, not those that follow them.
void append_examples(const Batch& batch, HeadKind head, Index count, std::vector<DataExample>& examples) {
  const Index shift = predicts_tokens(head) ? 1 : 0;
  std::size_t m = 0;
  for (Index s = 0; s < std::ssize(batch.rows.sequences); ++s) {
    const Sequence& sequence = batch.rows.sequences[static_cast<std::size_t>(s)];
    if (std::ssize(examples) == count) return;
    DataExample example;
    example.label = label_of(batch, s);
    const auto first = batch.rows.tokens.begin() + sequence.row;
    example.ids.assign(first, first + sequence.length);
    example.supervised.assign(example.ids.size() + 1, 0);
    for (; m < batch.scored.size() && batch.scored[m] < sequence.row + sequence.length; ++m) {
      const Index next = batch.scored[m] - sequence.row + shift;
      example.supervised[static_cast<std::size_t>(next)] = 1;
      if (next == sequence.length) example.ids.push_back(batch.targets[m]);
    }
    example.supervised.resize(example.ids.size());
    examples.push_back(std::move(example));
  }
}

/// Counts the rows of an epoch's batches, of which each may have `rows`, and those that hold tokens.
void count_rows(BatchSource& batches, Index rows, DataPreview& preview) {
  Batch batch;
  Index all = 0;
  for (Index drawn = 0; drawn < batches.epoch();) {
    for (const ExampleRange& range : micro_batches_of_step(batches, drawn)) {
      batches.fill(range.first, range.count, batch);
      drawn += range.count;
      preview.epoch_tokens += rows_in(batch.rows.sequences);
      all += rows;
    }
  }
  preview.packing = static_cast<double>(preview.epoch_tokens) / static_cast<double>(all);
}

/// Shows prompts, of which no token is trained on.
void show_prompts(const PolicyData& policy, Index count, DataPreview& preview) {
  preview.epoch = std::ssize(policy.train.tokens);
  preview.unit = "prompt";
  for (const Prompt& prompt : policy.train.tokens) {
    if (std::ssize(preview.examples) == count) return;
    DataExample& example = preview.examples.emplace_back();
    example.ids = prompt;
    example.supervised.assign(prompt.size(), 0);
  }
}

}  // namespace

DataPreview preview_data(Config config, Index count, const std::filesystem::path& cache) {
  DataPlaces places{.checkpoint = {}, .base = {}, .cache = cache};
  if (config.init_from) places.base = open_model(config.locate(*config.init_from), std::nullopt, Verify::no);
  TrainingData data = load_training_data(config, places, {});
  DataPreview preview{.epoch = data.batches->epoch(),
                      .unit = std::string(data.batches->unit()),
                      .training_tokens = data.training_tokens,
                      .held_out_tokens = data.held_out_tokens,
                      .census = data.census,
                      .sources = data.sources};
  if (data.preferences) preview.judged = data.preferences->census();
  preview.tokenizer = std::move(data.tokenizer);
  if (data.policy) {
    preview.held_out_prompts = std::ssize(data.policy->held_out.tokens);
    show_prompts(*data.policy, count, preview);
    return preview;
  }
  Batch batch;
  for (Index drawn = 0; std::ssize(preview.examples) < count && drawn < preview.epoch;) {
    for (const ExampleRange& range : micro_batches_of_step(*data.batches, drawn)) {
      data.batches->fill(range.first, range.count, batch);
      drawn += range.count;
      append_examples(batch, config.model.head, count, preview.examples);
      if (std::ssize(preview.examples) == count) break;
    }
  }
  if (data.chat) count_rows(*data.batches, data.runner.scored, preview);
  return preview;
}

}  // namespace kiln
