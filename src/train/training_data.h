// Reads or creates the tokenizer and the tokens of a run.
#pragma once

#include "kiln/data/dataset.h"
#include "kiln/run/config.h"
#include "kiln/run/model_source.h"
#include "kiln/text/tokenizer.h"
#include "kiln/train/training_run.h"

#include <filesystem>
#include <memory>
#include <optional>

namespace kiln {

struct TrainingData {
  std::unique_ptr<Tokenizer> tokenizer;
  SpecialIds ids;  // the tokens that begin and end texts
  Dataset tokens;
};

/// The files of a run that its data may come from.
struct DataPlaces {
  std::optional<std::filesystem::path> checkpoint;  // that the run resumes from, verified
  std::optional<ModelSource> base;                  // the model of init_from, if the run starts from it
  std::filesystem::path cache;                      // folder of the run's tokens
};

/// Returns the run's data, and stores the names of the tokens that begin and end texts in the config, so that a resume
/// has the same. Reports signs of unintended text. Throws Error as TrainingRun does.
TrainingData load_training_data(Config& config, const DataPlaces& places, const ResumeOptions& options);

}  // namespace kiln
