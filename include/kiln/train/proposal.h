// Chooses a model and settings to train on a text in a given time on this machine.
#pragma once

#include "kiln/run/config.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace kiln {

/// The inputs of a proposal.
struct ProposalRequest {
  std::vector<std::string> data;                      // files, folders or globs, as in data.train
  double seconds = 0;                                 // of training, including evaluations and the last checkpoint
  std::vector<std::string> include = kIncludedNames;  // as data.include
  std::string text_field = "text";                    // as data.text_field
};

/// The properties of the text that the choice depends on.
struct TextFacts {
  SourceFiles sources;                   // the text's files, and those left out of their folders
  std::uint64_t bytes = 0;               // of the training split
  std::size_t documents = 0;             // of the whole text
  std::optional<std::string> separator;  // the line between documents
  double validation_fraction = 0;        // held-out share

  double tokens(double bytes_per_token) const { return static_cast<double>(bytes) / bytes_per_token; }
};

/// A vocabulary size, and its compression of a sample of the text.
struct VocabularyOption {
  std::int64_t size = 0;
  double bytes_per_token = 0;
};

/// A considered model and vocabulary, and what to expect of it in the given time.
struct Candidate {
  ModelConfig model;
  VocabularyOption vocabulary;
  std::int64_t batch_size = 0;
  Index parameters = 0;
  double tokens_per_second = 0;  // from timed steps
  double tokens = 0;             // trained on in the time
  double passes = 0;             // over the training text
  double pressure = 0;           // towards memorising the text: passes times parameters per token of the text
  double expected_bits = 0;      // per byte; see scaling_law.h: only for ranking

  Index tokens_per_step() const { return batch_size * model.n_ctx; }
  double steps() const { return tokens / static_cast<double>(tokens_per_step()); }
};

struct Proposal {
  TextFacts text;
  std::vector<Candidate> candidates;    // each shape with its best vocabulary, context and batch; smallest first
  std::size_t chosen = 0;               // index in candidates
  std::vector<Candidate> vocabularies;  // the chosen shape with every vocabulary; smallest first
  std::optional<double> waited_share;   // of the measured time; see core/contention.h
  Config config;

  const Candidate& choice() const { return candidates[chosen]; }
};

/// Reads the text, measures on a sample how well vocabularies of several sizes compress it, and times some steps of
/// increasingly large models until a larger one is expected to be worse. Chooses the vocabulary, shape, context and
/// batch with the fewest expected bits per byte in the time. Takes some seconds; calls `progress` with the share done,
/// which never falls. Throws Error (usage, bad_input) if the data cannot be read, is too short or is not text, or if
/// the time is too short for training.
Proposal propose(const ProposalRequest& request, const std::function<void(double)>& progress = {});

}  // namespace kiln
