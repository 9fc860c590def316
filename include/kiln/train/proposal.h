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

  double tokens(double bytes_per_token) const { return static_cast<double>(bytes) / bytes_per_token; }
};

/// A tokenizer of some size, and how well it compresses a sample of the text.
struct VocabularyOption {
  std::int64_t size = 0;
  double bytes_per_token = 0;
};

/// A model with a vocabulary that was considered: what this machine makes of it in the time.
struct Candidate {
  ModelConfig model;
  VocabularyOption vocabulary;
  std::int64_t batch_size = 0;
  Index parameters = 0;
  double tokens_per_second = 0;  // from timed steps
  double tokens = 0;             // seen in the time
  double passes = 0;             // over the training text
  double pressure = 0;           // to learn the text by heart: passes, times parameters for each token of the text
  double expected_bits = 0;      // a byte; see scaling_law.h: it ranks, no more

  Index tokens_per_step() const { return batch_size * model.n_ctx; }
  double steps() const { return tokens / static_cast<double>(tokens_per_step()); }
};

struct Proposal {
  TextFacts text;
  std::vector<Candidate> candidates;    // of each shape with its best vocabulary, context and batch; the smallest first
  std::size_t chosen = 0;               // of them
  std::vector<Candidate> vocabularies;  // the chosen shape with every vocabulary, the smallest first
  std::optional<double> waited_share;   // of the time measured; see core/contention.h
  Config config;

  const Candidate& choice() const { return candidates[chosen]; }
};

/// Reads the text, learns on a sample how well vocabularies of several sizes compress it, and times some steps of ever
/// larger models until a larger one is expected to be worse. Of all these vocabularies, shapes, contexts and batches it
/// takes those from which the fewest bits per byte are expected in the time. Takes some seconds; `progress` is told the
/// share done, which never falls. Throws Error (usage, bad_input) for data that cannot be read, is too short or is no
/// text, and where the time is too short for training.
Proposal propose(const ProposalRequest& request, const std::function<void(double)>& progress = {});

}  // namespace kiln
