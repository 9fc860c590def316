// Writes, verifies and reads one checkpoint folder.
#pragma once

#include "kiln/interop/huggingface.h"
#include "kiln/optim/optimizer.h"
#include "kiln/run/base_model.h"
#include "kiln/run/config.h"
#include "kiln/run/manifest.h"
#include "kiln/run/shared_state.h"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <vector>

namespace kiln {

/// The state of training between two steps (trainer.json). Random draws are functions of the seed and these counts, so
/// there is no other generator state.
struct TrainerState {
  std::int64_t step = 0;
  std::int64_t tokens = 0;
  std::int64_t windows = 0;
  double seconds = 0;
  double reserve_seconds = 0;
  std::optional<std::int64_t> total_steps;
  std::uint64_t seed = 0;
  std::uint64_t data_digest = 0;
  std::uint64_t chat_template = 0;
  std::uint64_t reference = 0;
  std::optional<double> reward_mean, reward_deviation;
  std::optional<double> best_gold, reward_at_best_gold;
  bool is_overoptimised = false;
  int threads = 0;
  int ranks = 1;
  Precision precision = Precision::automatic;
  std::optional<double> validation_loss;
  std::optional<double> best_loss;
  std::int64_t best_step = 0;
  std::int64_t evaluations_since_best = 0;
  bool evaluation_pending = false;
  std::int64_t bad_steps_in_a_row = 0;
  std::int64_t bad_steps = 0;
  std::int64_t losses = 0;
  double loss_mean = 0;
  double loss_variance = 0;

  template <class V>
  void visit(V& v) {
    v("step", step, "optimizer steps taken", non_negative());
    v("tokens", tokens, "tokens trained on", non_negative());
    v("windows", windows, "windows drawn from the data; the batcher continues after them", non_negative());
    v("seconds", seconds, "wall time of training, summed over resumes", non_negative());
    v("reserve_seconds", reserve_seconds,
      "time that a time budget reserves for one more step, evaluation, sample and checkpoint", non_negative());
    v("total_steps", total_steps, "steps of the whole run; an estimate if the run has a time budget");
    v("seed", seed, "seed of every random draw");
    v("data_digest", data_digest, "XXH3 of the training tokens and the held-out tokens; 0: unknown");
    v("chat_template", chat_template, "hash of the chat template of the training data; 0: none");
    v("reference", reference, "XXH3 of the reference model's weights, of dpo and ipo; 0: none");
    v("reward_mean", reward_mean, "of a reward model: mean score of the held-out answers at the last evaluation");
    v("reward_deviation", reward_deviation, "standard deviation of the same scores");
    v("best_gold", best_gold, "of a policy: highest mean of the held-out gold rewards so far");
    v("reward_at_best_gold", reward_at_best_gold, "mean of the rewards of training at that evaluation");
    v("is_overoptimised", is_overoptimised, "the warning of over-optimisation was given");
    v("threads", threads, "number of threads", non_negative());
    v("ranks", ranks, "number of ranks; another number may change the last bits, except with distributed.leaves",
      at_least(1));
    v("precision", precision, "precision of the last steps; another precision changes the results; auto: unknown");
    v("validation_loss", validation_loss, "validation loss of these weights, if they were evaluated");
    v("best_loss", best_loss, "lowest validation loss so far");
    v("best_step", best_step, "step of the lowest validation loss", non_negative());
    v("evaluations_since_best", evaluations_since_best, "evaluations in a row without improvement", non_negative());
    v("evaluation_pending", evaluation_pending,
      "a signal interrupted the evaluation of these weights; a resume repeats it");
    v("bad_steps_in_a_row", bad_steps_in_a_row,
      "updates skipped in a row, for a spike or for a loss or gradient that is not finite", non_negative());
    v("bad_steps", bad_steps, "skipped updates in total", non_negative());
    v("losses", losses, "number of losses in the running mean and variance, which detect spikes", non_negative());
    v("loss_mean", loss_mean, "running mean of the recent losses");
    v("loss_variance", loss_variance, "running variance of the recent losses", non_negative());
  }
};

/// The contents of a checkpoint. Refers to the buffers; copies nothing. Of a model with adapters it holds these alone,
/// in PEFT's files, and the name of the base model.
struct CheckpointContents {
  const Config& config;
  Index vocab_size;
  const ParameterBuffer<float>& weights;
  std::vector<OptimizerSlot> optimizer;
  TokenizerFiles tokenizer;
  TrainerState state;
  BaseModel base = {};
  std::string rollout = {};       // of policy gradients: the rollout at work, as JSON
  SharedState* shared = nullptr;  // the optimizer's state, if ranks share it
};

/// Writes all files into `folder`, which must exist and be empty, the manifest last, and flushes them to the disk.
/// Throws Error (io).
void write_checkpoint_folder(const std::filesystem::path& folder, const CheckpointContents& contents);

/// Checks only the files' sizes against the manifest, which is cheap. Throws as verify_checkpoint does.
void verify_sizes(const std::filesystem::path& folder);

/// Checks every file against the manifest. Throws Error (bad_input) that names the missing file, or the file of another
/// size or checksum; for a newer checkpoint, NewerFormatError with both format versions.
void verify_checkpoint(const std::filesystem::path& folder);

/// Returns true if kiln began to write the folder as a checkpoint.
bool is_checkpoint(const std::filesystem::path& folder);

struct CheckpointConfig {
  Config config;
  Index vocab_size = 0;
  BaseModel base;       // of adapters
  RewardScale rewards;  // of a reward model
};

// The parts of a verified folder; read_huggingface_weights or read_adapters reads the weights. All throw Error
// (bad_input) if a file is not as expected.
CheckpointConfig read_checkpoint_config(const std::filesystem::path& folder);
TrainerState read_trainer_state(const std::filesystem::path& folder);

/// Returns the state that a run's checkpoints keep of the parameters that train: the optimizer's, and with
/// distributed.local_steps the momentum of the outer steps.
std::vector<StateLayout> state_of_run(const Config& config, const ParameterLayout& trained);

/// Checks the header of optimizer.safetensors against a state: each slot must have its parameters in their shapes, and
/// nothing may belong to another optimizer. Reads no tensors. Throws Error (bad_input).
void check_optimizer(const std::filesystem::path& folder, std::span<const StateLayout> state);

/// Returns the XXH3 of a config, as stored in the manifest.
std::uint64_t hash_config(const Json& config);

/// Reads the slots' buffers, which may be over slices of the parameters of `state`; without `state`, they are over
/// whole ones. Throws as check_optimizer does.
void read_optimizer(const std::filesystem::path& folder, std::span<const OptimizerSlot> slots);
void read_optimizer(const std::filesystem::path& folder, std::span<const OptimizerSlot> slots,
                    std::span<const StateLayout> state);

}  // namespace kiln
