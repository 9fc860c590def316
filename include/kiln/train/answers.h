// Asks a chat model questions whose answers are known, and rates choices between answers.
#pragma once

#include "kiln/data/conversation.h"
#include "kiln/infer/complete.h"
#include "kiln/nn/model_weights.h"
#include "kiln/text/chat_template.h"

#include <span>
#include <string>
#include <utility>
#include <vector>

namespace kiln {

/// Returns Wilson's 95% interval of a share (doi:10.1080/01621459.1927.10502953).   0 <= hits <= trials, trials > 0.
std::pair<double, double> wilson_interval(Index hits, Index trials);

/// How the answers to questions of one kind compare with the expected ones.
struct AnswerScore {
  std::string kind;  // as the file says; "" for all questions together
  Index asked = 0;
  Index exact = 0;  // equal the expected answer, but for white space at the ends, and ended by themselves
  Index ended = 0;  // ended by themselves: by an end token, before the limit
};

struct AnsweredQuestion {
  Conversation conversation;  // its last answer is the expected one
  std::string answer;
  bool exact = false, ended = false;
  bool too_long = false;  // for the context, so that it was not asked
};

struct AnswerReport {
  std::vector<AnsweredQuestion> questions;
  Index too_long = 0;
  std::vector<AnswerScore> scores;  // of all questions, then of each kind by name, if there are several
};

/// Continues each conversation up to its last answer, and compares. Conversations without roles or without an answer at
/// their end are left out. One that leaves no room for an answer in the context counts as not answered. Throws Error
/// (usage) if none is left, and as complete does.
AnswerReport ask_questions(const ModelView& model, const Tokenizer& tokenizer, const ChatTemplate& chat,
                           std::span<const Conversation> conversations, const CompletionOptions& options);

}  // namespace kiln
