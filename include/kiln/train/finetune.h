// Chooses settings for finetuning a model on a text or on conversations.
#pragma once

#include "kiln/run/config.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

namespace kiln {

/// Passes over the data if no time is given.
inline constexpr double kFinetuningPasses = 3;

/// The inputs of the choice.
struct FinetuningRequest {
  std::string model;              // as in init_from
  DataConfig data;                // text or conversations; the held-out fraction is chosen
  std::optional<double> seconds;  // of training; null: kFinetuningPasses passes
};

/// A config for finetuning, and the facts behind it.
struct Finetuning {
  Config config;
  Index parameters = 0;
  Index conversations = 0;       // to train on; 0: the data are text
  double tokens = 0;             // to train on
  double held_out_tokens = 0;    // of the rest
  double tokens_per_second = 0;  // of training on this machine, measured
  double passes = 0;             // over these tokens
  double steps = 0;              // approximate with a time budget
  Index tokens_per_step = 0;
  std::uint64_t memory_bytes = 0;
  std::optional<Index> shortened_from;  // the model's n_ctx, if text or memory require a shorter one

  double seconds() const { return passes * tokens / tokens_per_second; }
};

/// Reads the model's config and the data, times a step on this machine, and chooses: the objective sft for
/// conversations (by the first record of the first file), next_token for text; AdamW with a learning rate that falls
/// with the width, a short linear warm-up and a linear decay to zero, a batch that leaves a few hundred steps,
/// micro-batches that fit into memory, about ten evaluations. Takes some seconds; calls `progress` with the share done.
/// Throws Error (usage, bad_input) if the model or data cannot be read, or the text is too short.
Finetuning propose_finetuning(const FinetuningRequest& request, const std::function<void(double)>& progress = {});

/// Sets a learning rate for adapters (LoRA) in place of the one for all weights: ten times as high, up to a limit.
void choose_adapter_rate(Finetuning& finetuning);

/// Returns a name for a run of this model on this text: "gpt2-tales", from the names of the model's run or folder and
/// of the data's first file or folder.
std::string finetuning_name(const std::string& model, const std::string& data);

/// Returns a portable name from a path's last part that is not a glob, without its extension: "notes" for
/// "notes/*.txt". Replaces characters other than letters, digits, - and _ by -. Returns "run" if nothing is left.
std::string name_of_path(const std::string& path);

}  // namespace kiln
