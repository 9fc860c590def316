// Lets models answer prompts, for kiln answers and kiln compare.
#pragma once

#include "kiln/infer/complete.h"
#include "kiln/text/chat_template.h"
#include "kiln/train/answers.h"

#include "cli/arguments.h"
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace kiln::cli {

/// The prompts, and how models answer them.
struct AnswerSettings {
  ModelArguments model;  // what applies to each model: all but its run
  std::string prompts;   // a file
  std::string system;
  std::optional<std::string> chat_template;
  CompletionOptions completion;

  /// Adds the options for all of these but the number of answers.
  void add_to(CLI::App& command);

  /// Reads the prompts. Throws as read_chat_prompts does.
  std::vector<std::vector<ChatMessage>> conversations() const;
};

/// What one model answered.
struct SourceAnswers {
  std::string name;
  std::uint64_t model = 0;  // hash of the weights
  std::string chat_template;
  std::uint64_t tokenizer = 0;                      // hash
  std::vector<std::vector<WrittenAnswer>> answers;  // to each prompt; none where it leaves no room in the context
};

/// Loads the model of a run and lets it answer, settings.completion.generation.samples times each. Warns of prompts
/// that leave no room.
SourceAnswers answers_of(const AnswerSettings& settings, const std::string& run,
                         std::span<const std::vector<ChatMessage>> conversations);

/// A mean over prompts.
struct Mean {
  double value = 0, standard_error = 0;
};

Mean mean_of(std::span<const double> values);

/// Estimates the divergence KL(A|B) of two models' answers, in nats an answer: the mean of A's log p of its first
/// answer to each prompt, less B's. Returns nullopt if it cannot be known: if the draws were not from the whole
/// distribution, or the models do not read the same tokens. Loads each model again. `runs` are A and B.
std::optional<Mean> divergence_of(const AnswerSettings& settings, std::span<const std::string, 2> runs,
                                  std::span<const std::vector<ChatMessage>> conversations,
                                  std::span<const SourceAnswers, 2> sources);

}  // namespace kiln::cli
