// Which model to train on a text in a given time on this machine, and how.
#pragma once

#include "kiln/run/config.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace kiln {

/// Tokens of the scaling law that one is worth here: small models trained by Muon, where the law was fitted to large
/// ones trained by AdamW. With it the law prefers the sizes that did best in trials on Tiny Shakespeare
/// (bench/README.md).
inline constexpr double kTokenWorth = 4;

/// What a proposal rests on.
struct ProposalRequest {
  std::vector<std::string> data;                      // files, folders or globs, as data.train names them
  double seconds = 0;                                 // of training, evaluations and the last checkpoint included
  std::vector<std::string> include = kIncludedNames;  // as data.include
  std::string text_field = "text";                    // as data.text_field
};

/// The text, as far as the choice depends on it.
struct TextFacts {
  SourceFiles sources;                   // the text's files, and what was left of their folders
  std::uint64_t bytes = 0;               // of the training split
  std::size_t documents = 0;             // of the whole text
  std::optional<std::string> separator;  // the line that stands between documents
  double validation_fraction = 0;        // held out
  std::int64_t vocab_size = 0;           // of a tokenizer that suits the text
  double bytes_per_token = 0;            // of that tokenizer, on a sample

  double tokens() const { return static_cast<double>(bytes) / bytes_per_token; }
};

/// A model that was considered: what this machine makes of it in the time.
struct Candidate {
  ModelConfig model;
  std::int64_t batch_size = 0;
  Index parameters = 0;
  double tokens_per_second = 0;  // measured
  double tokens = 0;             // seen in the time
  double passes = 0;             // over the training text
  double pressure = 0;           // to learn the text by heart: passes, times parameters for each token of the text
  double expected_loss = 0;      // see scaling_law.h: it ranks, no more

  Index tokens_per_step() const { return batch_size * model.n_ctx; }
  double steps() const { return tokens / static_cast<double>(tokens_per_step()); }
};

struct Proposal {
  TextFacts text;
  std::vector<Candidate> candidates;  // the smallest first, as far as they were worth a look
  std::size_t chosen = 0;             // of them
  Config config;

  const Candidate& choice() const { return candidates[chosen]; }
};

/// Reads the text, trains its tokenizer on a sample, times some steps of ever larger models until a larger one is
/// expected to be worse, and takes the one from which most is expected. Takes some seconds; `progress` is told the
/// share done. Throws Error (usage, bad_input) for data that cannot be read, is too short or is no text, and where the
/// time is too short for training.
Proposal propose(const ProposalRequest& request, const std::function<void(double)>& progress = {});

}  // namespace kiln
