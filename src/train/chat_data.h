// Determines the tokenizer and the chat template of a run on conversations or judged answers.
#pragma once

#include "train/training_data.h"

namespace kiln {

/// Sets the tokenizer, with the template's tokens, the tokens that begin and end texts, and the template, in `data` and
/// in the config. Throws Error (usage) if the config names no tokenizer of a trained model, or another template than
/// that of the model it starts from.
void load_chat(Config& config, const DataPlaces& places, const ResumeOptions& options, TrainingData& data);

}  // namespace kiln
