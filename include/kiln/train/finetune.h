// Settings for training a model further on a text: finetuning.
#pragma once

#include "kiln/run/config.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

namespace kiln {

/// Passes over the text where no time is given.
inline constexpr double kFinetuningPasses = 3;

/// What the settings rest on.
struct FinetuningRequest {
  std::string model;              // as init_from names it
  DataConfig data;                // which text; how much of it is held out is chosen
  std::optional<double> seconds;  // of training; where not given, kFinetuningPasses passes
};

/// A config that trains the model further, and the facts that it follows from.
struct Finetuning {
  Config config;
  Index parameters = 0;
  double tokens = 0;             // of the training text
  double held_out_tokens = 0;    // of the rest
  double tokens_per_second = 0;  // of training on this machine, measured
  double passes = 0;             // over the training text
  double steps = 0;              // by the clock about as many
  Index tokens_per_step = 0;
  std::uint64_t memory_bytes = 0;
  std::optional<Index> shortened_from;  // the model's own n_ctx, where the text or the memory allows only a shorter one

  double seconds() const { return passes * tokens / tokens_per_second; }
};

/// Reads the model's config and the text, times a step on this machine, and chooses: AdamW at a rate that falls
/// with the width, a short linear warm-up and a linear decay to zero, as many tokens a step as leave some hundred
/// steps, micro-batches that fit into memory, about ten evaluations. Takes some seconds; `progress` is told the share
/// done. Throws Error (usage, bad_input) for a model or data that cannot be read, and for a text that is too short.
Finetuning propose_finetuning(const FinetuningRequest& request, const std::function<void(double)>& progress = {});

/// What a run of this model on this text is called: "gpt2-tales", from the names of the run or folder and of the first
/// file or folder.
std::string finetuning_name(const std::string& model, const std::string& data);

/// A name made of a path's last part that is no glob, without its extension, as far as it can stand in a path anywhere:
/// "notes" for "notes/*.txt". "run" where nothing is left.
std::string name_of_path(const std::string& path);

}  // namespace kiln
