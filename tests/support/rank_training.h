// Trains with ranks that are threads of the test, and says what they leave.
#pragma once

#include "kiln/core/file.h"
#include "kiln/core/threads.h"
#include "kiln/run/checkpoint_store.h"
#include "kiln/run/metrics.h"
#include "kiln/train/training_run.h"

#include "support/error_parts.h"
#include "support/thread_world.h"
#include "support/tiny_run.h"
#include "support/training_hooks.h"
#include "train/training_parts.h"
#include <cstddef>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace kiln::testing {

/// What a training leaves.
struct Trained {
  std::vector<std::vector<float>> weights;  // of each rank
  std::vector<TrainerState> states;         // of each rank
  std::vector<MetricsRow> rows;
  std::filesystem::path checkpoint;  // the last one
  std::string model, optimizer;      // its files
  std::size_t state_bytes = 0;       // of the optimizer, on the last rank
};

struct Launched {
  int ranks = 1;
  OpenMode mode = OpenMode::fresh;
  Index stop = -1;
  int stopping_rank = 0;
  bool stops = stop >= 0;
  std::optional<ExitCode> fails = {};                                        // as every rank must
  std::function<double(int rank)> clock = {};                                // none: a steady one
  std::function<void(TrainingRun& run, TrainingHooks& hooks)> prepare = {};  // is called on each rank
};

inline Trained train_as_ranks(const Config& config, const std::filesystem::path& root, const Launched& launched) {
  Trained trained;
  trained.weights.resize(static_cast<std::size_t>(launched.ranks));
  trained.states.resize(trained.weights.size());
  as_ranks(launched.ranks, [&](World& world) {
    set_threads(1);
    TrainingRunOptions options{.mode = launched.mode, .world = &world};
    if (launched.clock) options.clock = [&, rank = world.rank()] { return launched.clock(rank); };
    TrainingRun run(config, root, options);
    TrainingHooks hooks;
    if (launched.stop >= 0 && world.rank() == launched.stopping_rank) stop_after(hooks, launched.stop);
    if (launched.prepare) launched.prepare(run, hooks);
    if (launched.fails) {
      expect_error_with(*launched.fails, {""}, [&] { run.train(hooks); });
    } else {
      EXPECT_EQ(run.train(hooks) == TrainingEnd::stopped, launched.stops);
    }
    const auto rank = static_cast<std::size_t>(world.rank());
    const ConstVec<float> weights = std::as_const(run.model().weights.masters()).all();
    trained.weights[rank].assign(weights.begin(), weights.end());
    trained.states[rank] = run.state();
    if (world.rank() != world.size() - 1) return;
    for (const OptimizerSlot& slot : run.parts().train_step->optimizer().slots())
      trained.state_bytes += static_cast<std::size_t>(slot.buffer->layout().extent()) * sizeof(float);
  });
  const RunPaths paths{root};
  trained.rows = read_metrics(paths.metrics());
  trained.checkpoint = *latest_checkpoint(paths.checkpoints());
  trained.model = read_file(trained.checkpoint / "model.safetensors");
  const std::filesystem::path optimizer = trained.checkpoint / "optimizer.safetensors";
  if (path_exists(optimizer)) trained.optimizer = read_file(optimizer);
  return trained;
}

inline void expect_same_on_all_ranks(const Trained& trained) {
  for (const std::vector<float>& weights : trained.weights) EXPECT_EQ(weights, trained.weights.front());
}

/// A model of several regions, in which ranks cut matrices.
inline Config wide_config(const Scratch& scratch) {
  Config config = tiny_config(scratch);
  config.model.n_layers = 3;
  config.model.d_model = 64;
  config.model.d_head.reset();
  config.model.d_mlp.reset();
  config.model.resolve();
  config.optimizer.learning_rate = 2e-3;
  config.train.steps = 8;
  config.train.eval_every = 4;
  return config;
}

}  // namespace kiln::testing
