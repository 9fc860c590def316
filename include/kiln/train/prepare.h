// Everything a run needs before its first step: tokenizer, tokens, model, weights, where it stands.
#pragma once

#include "kiln/data/dataset.h"
#include "kiln/nn/language_model.h"
#include "kiln/nn/model_weights.h"
#include "kiln/run/checkpoint.h"
#include "kiln/run/run_directory.h"
#include "kiln/text/tokenizer.h"
#include "kiln/train/evaluate.h"
#include "kiln/train/horizon.h"
#include "kiln/train/stepper.h"

#include <memory>
#include <optional>

namespace kiln {

struct Preparation {
  Config config;
  std::unique_ptr<Tokenizer> tokenizer;
  SpecialIds ids;  // the tokens that begin and end texts
  Dataset data;
  std::unique_ptr<LanguageModel<float>> model;
  std::unique_ptr<ModelWeights> weights;
  std::unique_ptr<Batcher> batcher;
  std::unique_ptr<Stepper> stepper;
  std::unique_ptr<Evaluator> evaluator;  // null where nothing is held out or evaluated
  Horizon horizon = Horizon::after_steps(0);
  TrainerState state;
  std::optional<std::filesystem::path> resumed_from;

  bool has_stopped_early() const {
    return config.train.early_stopping && state.evaluations_since_best >= *config.train.early_stopping;
  }
  bool is_finished() const { return !state.evaluation_pending && (horizon.is_reached() || has_stopped_early()); }
};

/// How a run goes on from its checkpoint.
struct ResumeOptions {
  bool force_tokenizer = false;  // with the checkpoint's tokenizer though the config names one that has changed since
  bool retokenize = false;       // with the tokens that the text gives now
};

/// Reads or makes all of it, and watches the signals that are to stop a training (stop_signals.h). With `resume` it
/// takes the newest valid checkpoint, or begins at step 0 (saying so) where there is none: config changes that the run
/// is bound to (Difference::binds_run) are then refused with the list of them; other changes are logged. The tokens
/// stay those that it was trained on, in the run's folder, though the text has changed or gone (with a warning); tokens
/// that the config's changes bring, or that lie there no more, are refused unless `retokenize` takes them.
/// Throws Error (usage: config against data, checkpoint or memory; bad_input; io).
std::unique_ptr<Preparation> prepare(Config config, const RunPaths& paths, bool resume,
                                     const ResumeOptions& options = {});

}  // namespace kiln
