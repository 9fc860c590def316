// The part of kiln eval for conversations: their loss, and the answers to questions.
#pragma once

#include "kiln/infer/generate.h"
#include "kiln/nn/model_weights.h"
#include "kiln/run/model_loader.h"
#include "kiln/train/evaluate.h"

#include "cli/data_arguments.h"
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace kiln::cli {

/// Returns the conversations to score: those of the files, or those that the run held out if there are none. Throws
/// Error (usage) if the run's data have changed.
std::unique_ptr<EvaluationSource> conversations_to_score(const LoadedModel& model, const ChatTemplate& chat,
                                                         const std::vector<std::string>& files,
                                                         const ReadingArguments& reading);

/// Answers the questions of a file, and writes the comparison to stdout.
void evaluate_answers(const LoadedModel& model, const ChatTemplate& chat, const std::string& file,
                      const GenerationOptions& generation, bool json);

/// Rates the multiple-choice questions of a file, and writes the accuracy to stdout. With a template, they are read as
/// conversations.
void evaluate_choices(const LoadedModel& model, const std::optional<ChatTemplate>& chat, const std::string& file,
                      bool json);

}  // namespace kiln::cli
