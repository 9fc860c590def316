// Trains a model in a run directory: opens or resumes the run, trains, and leaves it for the next resume.
#pragma once

#include "kiln/core/world.h"
#include "kiln/nn/model_weights.h"
#include "kiln/run/checkpoint.h"
#include "kiln/run/config.h"
#include "kiln/run/run_directory.h"
#include "kiln/text/special_ids.h"
#include "kiln/text/tokenizer.h"
#include "kiln/train/training_length.h"
#include "kiln/train/training_monitor.h"

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace kiln {

struct TrainingParts;

/// How a run continues from its checkpoint.
struct ResumeOptions {
  bool force_tokenizer = false;  // use the checkpoint's tokenizer even if the config's file has changed since
  bool retokenize = false;       // use the tokens of the text as it is now
};

struct TrainingRunOptions {
  OpenMode mode = OpenMode::fresh;
  ResumeOptions resume = {};
  std::optional<std::string> given = {};  // the text of the config file, which the run keeps for its next resume
  World* world = &World::alone();         // the ranks that train together; must outlive the run
  std::function<double()> clock = {};     // seconds since some moment; must never fall; null: a steady clock; another
                                          // thread, which writes checkpoints, calls it too
};

/// Why training ended. early: train.early_stopping; stopped: the monitor asked for it.
enum class TrainingEnd { finished, early, stopped };

/// A run: its folder, which it locks, and everything that training needs. All ranks of a world open it and train
/// together; the root alone locks and writes the folder. The others read checkpoints from the same path, and cache the
/// tokens there unless they find the root's.
///
/// Prints nothing: facts and warnings go to the Reporter (core/report.h), the course of the training to a
/// TrainingMonitor. Uses the threads that core/threads.h sets; the caller applies train.threads before.
class TrainingRun {
 public:
  /// Opens the folder and reads or creates all parts of the run. Changes nothing there except its cached tokens.
  ///
  /// With OpenMode::resume, takes the newest valid checkpoint, or reports that there is none and begins at step 0.
  /// Refuses config changes that the run is bound to (Difference::binds_run), listing them; reports other changes.
  /// Keeps a text's tokens in the run's folder even if the text has changed or is missing, with a warning. If the
  /// config names other data, or those tokens are missing, refuses different tokens unless `retokenize`; so it does
  /// with conversations, which it reads again. Throws Error (usage: the config does not fit folder, data, checkpoint,
  /// threads or memory; bad_input; io).
  TrainingRun(Config config, const std::filesystem::path& root, TrainingRunOptions options = {});
  ~TrainingRun();
  TrainingRun(const TrainingRun&) = delete;
  TrainingRun& operator=(const TrainingRun&) = delete;

  /// Trains to the end of the run, or until the monitor or early stopping ends it, and saves. First writes config.json
  /// and, with OpenMode::overwrite, removes the old run. If the monitor ends an evaluation, resuming the run makes up
  /// for it before the next step.
  /// Throws Error: diverged after train.max_bad_steps bad steps in a row, or if the last evaluation's loss is not
  /// finite; io if checkpoints or metrics cannot be written.
  TrainingEnd train(TrainingMonitor& monitor);
  TrainingEnd train();

  /// Returns true if train() has nothing to do.
  bool is_finished() const;

  const RunPaths& paths() const { return paths_; }
  const World& world() const { return *options_.world; }
  const Config& config() const;
  const Tokenizer& tokenizer() const;
  const SpecialIds& ids() const;
  ModelView model() const;
  const ParameterLayout& layout() const;  // of the model
  const TrainerState& state() const;
  const TrainingLength& training_length() const;
  Index training_tokens() const;           // of the text
  Index held_out_tokens() const;           // of the rest
  const ParameterLayout& trained() const;  // the parameters that train

  /// The parts, which src/train and its tests see.
  TrainingParts& parts() { return *parts_; }

 private:
  RunPaths paths_;
  std::optional<RunDirectory> directory_;  // of the root
  TrainingRunOptions options_;
  std::unique_ptr<TrainingParts> parts_;
};

}  // namespace kiln
