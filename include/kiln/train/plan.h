// What a config comes to, before a step is taken: parameters, memory, work, time, disk.
#pragma once

#include "kiln/nn/language_model.h"
#include "kiln/run/config.h"

#include <cstdint>
#include <optional>

namespace kiln {

/// Parameters by part. Norms are gains; biases are all biases, those of layernorm included.
struct ParameterCounts {
  Index token_embedding = 0, position_embedding = 0, attention = 0, mlp = 0, norm = 0, bias = 0, unembedding = 0;
  Index total = 0;
  Index total_without_token_embedding = 0;
  Index total_tied = 0, total_untied = 0;

  static ParameterCounts of(const ParameterLayout& layout);
};

/// Bytes of training. The buffers are exact: the same code lays them out and counts them.
struct MemoryPlan {
  std::uint64_t weights = 0, gradients = 0, optimizer = 0, activations = 0, evaluation = 0;
  std::uint64_t checkpoint = 0;  // the copy that is written while training goes on
  std::uint64_t program = 0;     // and its libraries, their compiled kernels among them; measured by make_plan alone
  std::uint64_t total() const {
    return weights + gradients + optimizer + activations + evaluation + checkpoint + program;
  }
};

/// Where the tokens per second of a plan come from.
enum class SpeedSource { timed_steps, matrix_products };

/// What a run does of one kind, all of it together.
struct PlannedWork {
  Index count = 0;
  double seconds = 0;
};

struct Plan {
  ParameterCounts parameters;
  MemoryPlan memory;
  std::uint64_t available_memory = 0;
  double flops_per_token = 0;
  std::optional<Index> steps;   // unknown where epochs or batches of "all" depend on data that are not there
  bool by_clock = false;        // the steps are those that the speed allows within the time budget
  bool from_sample = false;     // a sample of the text says how many tokens it is
  std::optional<Index> tokens;  // seen in training
  std::optional<double> tokens_per_parameter;
  double tokens_per_second = 0;
  SpeedSource speed_source = SpeedSource::timed_steps;
  std::optional<double> waited_share;                      // of the time measured; see core/contention.h
  Index evaluated_tokens = 0;                              // of one evaluation
  std::optional<PlannedWork> evaluations, samples, saves;  // known where the steps are; evaluations with their tokens
  std::optional<double> wall_seconds;                      // of the steps and these, or the time budget
  std::uint64_t checkpoint_bytes = 0;
};

/// Floating-point operations a token of training: 6 for each parameter (a multiplication and an addition forward, twice
/// that backward) but the embeddings that rows are only looked up in, of positions and, where the unembedding is
/// another matrix, of tokens; and 6 n_layers n_heads d_head n_ctx for causal attention at its half.
double training_flops_per_token(const ModelConfig& config, const ParameterLayout& layout);

/// The memory that training takes with these sizes (micro-batches of `windows`).
MemoryPlan plan_memory(const Config& config, const LanguageModel<float>& model, Index windows);

/// Throws Error (usage) with the figures where training would not fit into the memory that is available.
void require_memory(const Config& config, const LanguageModel<float>& model, Index windows);

/// Counts, and times a few steps on random tokens (a few seconds at most). A model that does not fit into memory, or
/// whose step would take longer, is never allocated: its speed is estimated from this machine's matrix products.
/// The vocabulary is the config's `tokenizer.vocab_size`. The data's length is taken from the files, where they are
/// there: of text it is estimated by encoding a sample.
Plan make_plan(const Config& config);

}  // namespace kiln
