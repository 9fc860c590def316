// Computes log p of judged answers under the reference model of a run, once, and keeps it beside the run's tokens.
#pragma once

#include "kiln/core/world.h"
#include "kiln/data/encoded_preferences.h"
#include "kiln/nn/model_weights.h"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <vector>

namespace kiln {

/// Returns log p of each answer of the examples, in order.   rows: of a batch, at most. Ranks share the batches.
std::vector<double> answer_log_probs(const ModelView& model, const std::shared_ptr<const EncodedPreferences>& examples,
                                     Index rows, World& world = World::alone());

/// What log p of answers depends on.
struct ReferenceKey {
  std::uint64_t model = 0;    // hash of the reference's weight files
  std::uint64_t answers = 0;  // digest of the answers
  Precision precision = Precision::fp32;
};

/// log p of the answers to train on and of those that are held out.
struct ReferenceLogProbs {
  std::vector<double> train, held_out;
};

/// Writes a file. Throws Error (io).
void write_reference(const std::filesystem::path& file, const ReferenceKey& key, const ReferenceLogProbs& log_probs);

/// Returns what a file holds for so many answers; nullopt if it is missing, damaged or of another key.
std::optional<ReferenceLogProbs> read_reference(const std::filesystem::path& file, const ReferenceKey& key,
                                                Index answers, Index held_out);

}  // namespace kiln
