// Opens a run's folder, prepares its parts, and hands them to the trainer.
#include "kiln/train/training_run.h"

#include "kiln/core/error.h"
#include "kiln/core/file.h"
#include "kiln/core/json.h"
#include "kiln/core/report.h"
#include "kiln/run/checkpoint_store.h"
#include "kiln/run/manifest.h"
#include "kiln/run/metrics.h"

#include <nlohmann/json.hpp>

#include "train/trainer.h"
#include "train/training_parts.h"
#include <utility>

namespace kiln {
namespace {

/// Returns the newest valid checkpoint of a run to resume, or reports that there is none. The root finds it, and the
/// other ranks read the same.
std::optional<std::filesystem::path> checkpoint_of(const RunPaths& paths, World& world) {
  constexpr Index kNone = -1;
  std::optional<std::filesystem::path> checkpoint;
  if (world.is_root()) {
    checkpoint = checkpoint_to_resume(paths.checkpoints());
    if (!checkpoint) inform("{}: no checkpoint to resume; starting at step 0", paths.root.string());
  }
  const auto found = checkpoint ? step_of_checkpoint(checkpoint->filename().string()) : std::nullopt;
  const Index step = world.of_root(found.value_or(kNone));
  if (world.is_root() || step == kNone) return checkpoint;
  checkpoint = paths.checkpoints() / checkpoint_name(step);
  check(
      path_exists(*checkpoint / kManifestFile),
      "rank {} does not find {}, which rank 0 resumes from; keep the run in a folder that all machines share, or copy "
      "it to each",
      world.rank(), checkpoint->string());
  return checkpoint;
}

/// Repairs the checkpoints folder: the run may have been killed right after its last save.
void recover_from_crash(const TrainingParts& p, const RunPaths& paths) {
  if (!p.resumed_from) return;
  const std::optional<std::int64_t> best = p.state.best_loss ? std::optional(p.state.best_step) : std::nullopt;
  recover(paths.checkpoints(), *p.resumed_from, best, p.config.train.keep_checkpoints);
}

}  // namespace

TrainingRun::TrainingRun(Config config, const std::filesystem::path& root, TrainingRunOptions options)
    : paths_{root}, options_(std::move(options)) {
  World& world = *options_.world;
  if (world.is_root()) directory_.emplace(root, options_.mode);
  const auto checkpoint = options_.mode == OpenMode::resume ? checkpoint_of(paths_, world) : std::nullopt;
  parts_ = prepare(std::move(config), paths_.tokens(), checkpoint, options_.resume, world);
  if (world.is_root()) recover_from_crash(*parts_, paths_);
}

TrainingRun::~TrainingRun() = default;

TrainingEnd TrainingRun::train(TrainingMonitor& monitor) {
  if (const auto& timeout = parts_->config.distributed.timeout) options_.world->set_timeout(timeout->seconds);
  // Only now: a config that cannot be trained deletes no run. Once: a second call continues the new run.
  const bool overwrites = std::exchange(options_.mode, OpenMode::resume) == OpenMode::overwrite;
  if (directory_) {
    if (overwrites) directory_->clear();
    write_file_atomically(paths_.config(), format_json(config_to_json(parts_->config)));
    write_file_atomically(paths_.places(), format_json(places_to_json(parts_->config)));
    if (options_.given) write_file_atomically(paths_.given(), *options_.given);
    truncate_metrics(paths_.metrics(), parts_->state.step);
  }
  monitor.on_start();
  return Trainer(*parts_, paths_, monitor, options_.clock).run();
}

TrainingEnd TrainingRun::train() {
  TrainingMonitor none;
  return train(none);
}

bool TrainingRun::is_finished() const { return parts_->is_finished(); }
const Config& TrainingRun::config() const { return parts_->config; }
const Tokenizer& TrainingRun::tokenizer() const { return *parts_->data.tokenizer; }
const SpecialIds& TrainingRun::ids() const { return parts_->data.ids; }
ModelView TrainingRun::model() const { return {*parts_->model, *parts_->weights}; }
const ParameterLayout& TrainingRun::layout() const { return parts_->model->layout; }
const TrainerState& TrainingRun::state() const { return parts_->state; }
const TrainingLength& TrainingRun::training_length() const { return parts_->training_length; }
Index TrainingRun::training_tokens() const { return parts_->data.training_tokens; }
Index TrainingRun::held_out_tokens() const { return parts_->data.held_out_tokens; }
const ParameterLayout& TrainingRun::trained() const { return parts_->train_step->gradients().layout(); }

}  // namespace kiln
