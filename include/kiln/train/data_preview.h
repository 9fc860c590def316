// Shows a run's training data as the model sees them.
#pragma once

#include "kiln/data/encoded_conversations.h"
#include "kiln/data/encoded_preferences.h"
#include "kiln/run/config.h"
#include "kiln/text/tokenizer.h"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace kiln {

/// A sequence of the run's first batches.
struct DataExample {
  std::string label = {};                // of a judged answer: "chosen", "rejected", or both
  std::vector<TokenId> ids;              // (N) inputs, and the last target
  std::vector<std::uint8_t> supervised;  // (N) 1: the loss scores this token
};

struct DataPreview {
  std::unique_ptr<Tokenizer> tokenizer = {};
  std::vector<DataExample> examples = {};
  Index epoch = 0;        // examples in one pass
  std::string unit = {};  // what one is called: "window", "conversation"
  Index training_tokens = 0, held_out_tokens = 0;
  Index held_out_prompts = 0;                             // of a policy gradient
  std::optional<ChatCensus> census;                       // of conversations
  std::optional<PreferenceCensus> judged = std::nullopt;  // of judged answers
  std::vector<SourceCensus> sources = {};                 // of data.mix
  Index epoch_tokens = 0;                                 // inputs of an epoch of conversations or judged answers
  double packing = 0;                                     // rows that hold tokens, of all rows of an epoch's batches
};

/// Returns the first `count` examples in the order of the run. Loads no weights. Caches a text's tokens in the folder
/// `cache`. Throws Error as TrainingRun's constructor does.
DataPreview preview_data(Config config, Index count, const std::filesystem::path& cache);

}  // namespace kiln
