// Rates a model by multiple-choice questions: which continuation it finds likeliest.
#pragma once

#include "kiln/nn/model_weights.h"
#include "kiln/text/chat_template.h"
#include "kiln/text/special_ids.h"
#include "kiln/text/tokenizer.h"

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace kiln {

struct ChoiceQuestion {
  std::string prompt;
  std::vector<std::string> choices;  // at least two
  Index answer = 0;                  // the right one
  std::string place;                 // "a.jsonl:3", for messages
};

/// Reads a .jsonl file, or a .json file with an array, of objects with `prompt`, `choices` (a list of texts) and
/// `answer` (the index of the right one, or its text). Throws Error (bad_input) that names the line and the key.
std::vector<ChoiceQuestion> read_choice_questions(const std::filesystem::path& file);

/// The natural log probability of each choice after its prompt: the sum over its tokens.
struct RatedQuestion {
  std::vector<double> log_probabilities;  // of each choice
  Index likeliest = 0;                    // by the sum
  Index likeliest_per_byte = 0;           // by the sum over the bytes of the choice, so that short ones gain nothing
};

/// Rates all choices. With a chat template, the prompt is a user's message and a choice the answer, with the token that
/// ends it; else a choice continues the text. Prompts that do not fit into the context lose their beginning.
/// Throws Error (bad_input) if a choice alone does not fit, or if a prompt has no token.
std::vector<RatedQuestion> rate_choices(const ModelView& model, const Tokenizer& tokenizer, const SpecialIds& ids,
                                        const std::optional<ChatTemplate>& chat,
                                        std::span<const ChoiceQuestion> questions);

}  // namespace kiln
