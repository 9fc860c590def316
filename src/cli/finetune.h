// Chooses finetuning settings for a model, a text and a time, and explains them.
#pragma once

#include "kiln/train/finetune.h"

#include <optional>
#include <string>

namespace kiln::cli {

/// Chooses the settings, showing a progress bar. `data` names the text, `time` is the value of --for. Throws Error
/// (usage) if that is not a duration, and as propose_finetuning does.
Finetuning choose_finetuning(const std::string& model, const DataConfig& data, const std::optional<std::string>& time);

/// Returns the config as a person would write it, with the time as given.
Json finetuning_json(const Finetuning& finetuning, const std::optional<std::string>& time);

/// Returns a few lines for the log on what was chosen and why.
std::string finetuning_summary(const Finetuning& finetuning);

/// Returns the reason for each choice in Markdown, for the file beside the config.
std::string finetuning_reasons(const Finetuning& finetuning, const std::string& config);

}  // namespace kiln::cli
