// Prepares a run for its first step: tokenizer, tokens, model, weights, state.
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
  std::unique_ptr<Evaluator> evaluator;  // null if nothing is held out or evaluated
  Horizon horizon = Horizon::after_steps(0);
  TrainerState state;
  std::optional<std::filesystem::path> resumed_from;

  bool has_stopped_early() const {
    return config.train.early_stopping && state.evaluations_since_best >= *config.train.early_stopping;
  }
  bool is_finished() const { return !state.evaluation_pending && (horizon.is_reached() || has_stopped_early()); }
};

/// How a run continues from its checkpoint.
struct ResumeOptions {
  bool force_tokenizer = false;  // use the checkpoint's tokenizer even if the config's file has changed since
  bool retokenize = false;       // use the tokens of the text as it is now
};

/// Reads or creates all parts of a run, and watches the signals that stop training (stop_signals.h).
///
/// With `resume`, takes the newest valid checkpoint, or logs that there is none and begins at step 0. Refuses config
/// changes that the run is bound to (Difference::binds_run), listing them; logs other changes. Keeps the tokens in the
/// run's folder even if the text has changed or is missing, with a warning. If the config names other data, or those
/// tokens are missing, refuses different tokens unless `retokenize`.
/// Throws Error (usage: the config does not fit data, checkpoint or memory; bad_input; io).
std::unique_ptr<Preparation> prepare(Config config, const RunPaths& paths, bool resume,
                                     const ResumeOptions& options = {});

}  // namespace kiln
