// Reads the batches that a run would begin with.
#include "kiln/train/data_preview.h"

#include "train/training_data.h"
#include <utility>

namespace kiln {
namespace {

/// Appends the batch's sequences, with the target of each one's last row, if that is scored.
void append_examples(const Batch& batch, Index count, std::vector<DataExample>& examples) {
  std::size_t m = 0;
  for (const Sequence& sequence : batch.rows.sequences) {
    if (std::ssize(examples) == count) return;
    DataExample example;
    const auto first = batch.rows.tokens.begin() + sequence.row;
    example.ids.assign(first, first + sequence.length);
    example.supervised.assign(example.ids.size() + 1, 0);
    for (; m < batch.scored.size() && batch.scored[m] < sequence.row + sequence.length; ++m) {
      const Index next = batch.scored[m] - sequence.row + 1;
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
    Index micro_batch = 0;
    for (Index examples; (examples = batches.fill(drawn, micro_batch, batch)) > 0; ++micro_batch) {
      drawn += examples;
      preview.epoch_tokens += rows_in(batch.rows.sequences);
      all += rows;
    }
  }
  preview.packing = static_cast<double>(preview.epoch_tokens) / static_cast<double>(all);
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
  Batch batch;
  for (Index drawn = 0; std::ssize(preview.examples) < count && drawn < preview.epoch;) {
    Index micro_batch = 0;
    for (Index examples; (examples = data.batches->fill(drawn, micro_batch, batch)) > 0; ++micro_batch) {
      drawn += examples;
      append_examples(batch, count, preview.examples);
      if (std::ssize(preview.examples) == count) break;
    }
  }
  if (data.census) count_rows(*data.batches, data.runner.scored, preview);
  preview.tokenizer = std::move(data.tokenizer);
  return preview;
}

}  // namespace kiln
