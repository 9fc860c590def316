// Finetuning by command: settings chosen for a model, a text and a time, and the reasons for them.
#pragma once

#include "kiln/train/finetune.h"

#include <optional>
#include <string>

namespace kiln::cli {

/// Chooses the settings while a progress bar is shown. `data` says which text, `time` is what --for says. Throws Error
/// (usage) where that is no duration, and as propose_finetuning does.
Finetuning choose_finetuning(const std::string& model, const DataConfig& data, const std::optional<std::string>& time);

/// The config as a person would write it, its time as it was given.
Json finetuning_json(const Finetuning& finetuning, const std::optional<std::string>& time);

/// Says in a few lines what was chosen and why, for the log.
std::string finetuning_summary(const Finetuning& finetuning);

/// The reason for each choice, in Markdown, for the file beside the config.
std::string finetuning_reasons(const Finetuning& finetuning, const std::string& config);

}  // namespace kiln::cli
