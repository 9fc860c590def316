// Predicts what a config requires before any training: parameters, memory, work, time, disk.
#pragma once

#include "kiln/data/batcher.h"
#include "kiln/nn/language_model.h"
#include "kiln/run/config.h"
#include "kiln/train/cluster_plan.h"

#include <cstdint>
#include <optional>
#include <vector>

namespace kiln {

/// Parameters by part. `norm` counts gains; `bias` counts all biases, including layernorm's.
struct ParameterCounts {
  Index token_embedding = 0, position_embedding = 0, attention = 0, mlp = 0, norm = 0, bias = 0, unembedding = 0;
  Index adapters = 0, score = 0;
  Index total = 0;
  Index total_without_token_embedding = 0;
  Index total_tied = 0, total_untied = 0;

  static ParameterCounts of(const ParameterLayout& layout);
};

/// Bytes of training. The buffers are exact: the same code counts them and lays them out.
struct MemoryPlan {
  std::uint64_t weights = 0, gradients = 0, optimizer = 0, activations = 0, evaluation = 0;
  std::uint64_t checkpoint = 0;  // the copy for background saves; of ranks that share state, what the root collects
  std::uint64_t rollout = 0;     // of a policy gradient: the reference, and the cache that draws
  std::uint64_t program = 0;     // with libraries and their compiled kernels; set by make_plan alone
  std::uint64_t total() const {
    return weights + gradients + optimizer + activations + evaluation + checkpoint + rollout + program;
  }
};

/// The basis of a plan's tokens per second.
enum class SpeedSource { timed_steps, matrix_products };

/// The total of one kind of work in a run.
struct PlannedWork {
  Index count = 0;
  double seconds = 0;
};

/// The work of a rollout, of a policy gradient: every answer as long as policy.max_tokens.
struct PlannedRollout {
  Index answers = 0;
  double drawing_seconds = 0;   // with the log probabilities of the model that draws and of the reference
  double training_seconds = 0;  // all its steps
  double decode_tokens_per_second = 0;
  double answers_per_hour() const { return 3600 * static_cast<double>(answers) / (drawing_seconds + training_seconds); }
};

/// A cluster to plan for.
struct Cluster {
  int ranks = 1;
  Network network;
  std::optional<int> cores;  // of each machine, one rank on each; null: the threads in use here
};

/// What a step takes on a cluster.
struct ClusterPlan {
  SharedStep step;
  double alone_seconds = 0;          // of the whole step on one machine of the cluster
  MemoryPlan memory;                 // of a rank
  std::vector<SharedStep> by_ranks;  // 1, 2, 4, ... ranks
  int worthwhile = 1;                // of these, the most that still shorten the step by a quarter
  double efficiency() const { return alone_seconds / (step.ranks * step.seconds); }
};

struct Plan {
  ParameterCounts parameters;
  MemoryPlan memory;
  std::uint64_t available_memory = 0;
  double flops_per_token = 0;
  std::optional<Index> steps;   // null if they depend on data (epochs, batches of "all") that cannot be read
  bool by_clock = false;        // the steps are estimated from the time budget
  bool from_sample = false;     // the text's tokens are estimated from a sample
  std::optional<Index> tokens;  // seen in training
  std::optional<double> tokens_per_parameter;
  double tokens_per_second = 0;
  SpeedSource speed_source = SpeedSource::timed_steps;
  std::optional<double> waited_share;                      // of the measured time; see core/contention.h
  Index evaluated_tokens = 0;                              // of one evaluation
  Index reference_tokens = 0;                              // of all answers, each with its prompt
  std::optional<PlannedWork> reference = PlannedWork();    // before the first step, once; null if the data are unknown
  std::optional<PlannedWork> evaluations, samples, saves;  // null if the steps are; evaluations also without tokens
  std::optional<double> wall_seconds;                      // of steps and the last three, or the time budget
  std::uint64_t checkpoint_bytes = 0;
  std::optional<PlannedRollout> rollout;
  std::optional<ClusterPlan> cluster;
};

/// Returns the floating-point operations per token of training: 6 per parameter (a multiplication and an addition
/// forward, twice that backward), 4 for those that do not train, plus 6 n_layers n_heads d_head n_ctx for attention,
/// causal and so half. Excludes embeddings that are only looked up: positions, and tokens unless tied to the
/// unembedding. Excludes a reward model's head, which reads few rows.
double training_flops_per_token(const ModelConfig& config, const ParameterLayout& layout,
                                const ParameterLayout& trained);

/// Returns the memory that training takes with micro-batches of `windows`, or what each of several ranks takes.
MemoryPlan plan_memory(const Config& config, const LanguageModel<float>& model, Index windows, int ranks = 1);

/// Throws Error (usage) with the figures if training would not fit into the available memory.
void require_memory(const Config& config, const LanguageModel<float>& model, Index windows, int ranks = 1);

/// Returns the sizes of one rank's part of a step. Throws Error (usage) if a step has fewer windows than ranks.
BatchSizes part_sizes(const Config& config, int ranks);

/// Counts, and times a few steps on random tokens (a few seconds at most). Never allocates a model that does not fit
/// into memory or whose step would take longer: its speed is estimated from this machine's matrix products.
/// The vocabulary size is `tokenizer.vocab_size`. Reads the data's length from the files if they exist; for text,
/// estimates it by encoding a sample. Plans a step on a cluster too, if there is one: also from the speed of this
/// machine. Throws Error (usage) if a step has fewer windows than ranks.
Plan make_plan(const Config& config, const std::optional<Cluster>& cluster = {});

}  // namespace kiln
