// Asks a chat model questions whose answers are known, and rates choices between answers.
#pragma once

#include "kiln/core/intervals.h"
#include "kiln/data/conversation.h"
#include "kiln/infer/complete.h"
#include "kiln/nn/model_weights.h"
#include "kiln/text/chat_template.h"

#include <span>
#include <string>
#include <utility>
#include <vector>

namespace kiln {

/// How the answers to questions of one kind compare with the expected ones.
struct AnswerScore {
  std::string kind;  // as the file says; "" for all questions together
  Index asked = 0;
  Index answers = 0;  // to these questions
  Index exact = 0;    // equal the expected answer, but for white space at the ends, and ended by themselves
  Index ended = 0;    // ended by themselves: by an end token, before the limit
  std::vector<TrialGroup> by_question = {};  // exact answers, of all

  /// Returns the 95% interval of the share of exact answers. Several answers to a question are not independent.
  std::pair<double, double> interval() const;
};

struct AnsweredQuestion {
  Conversation conversation;  // its last answer is the expected one
  std::string answer;
  bool exact = false, ended = false;
  bool too_long = false;  // for the context, so that it was not asked
};

struct AnswerReport {
  std::vector<AnsweredQuestion> questions;  // once for each answer
  Index too_long = 0;
  std::vector<AnswerScore> scores;  // of all questions, then of each kind by name, if there are several
};

/// Continues each conversation up to its last answer options.generation.samples times, and compares. Conversations
/// without roles or without an answer at their end are left out. One that leaves no room for an answer in the context
/// counts as not answered. Throws Error (bad_input) if none is left, and as complete does.
AnswerReport ask_questions(const ModelView& model, const Tokenizer& tokenizer, const ChatTemplate& chat,
                           std::span<const Conversation> conversations, const CompletionOptions& options);

/// One of a prompt's answers.
struct WrittenAnswer {
  std::string text;
  bool ended = false;                // by itself: by an end token or a stop text, before the limit
  std::vector<TokenId> tokens = {};  // all that were drawn, with the end token
};

/// Returns options.generation.samples answers to each prompt; none to one that leaves no room for an answer in the
/// context. All are generated together; the draws of different prompts are independent. The token that ends a turn ends
/// an answer. Throws as complete does.
std::vector<std::vector<WrittenAnswer>> write_answers(const ModelView& model, const Tokenizer& tokenizer,
                                                      const ChatTemplate& chat,
                                                      std::span<const std::vector<ChatMessage>> conversations,
                                                      CompletionOptions options);

/// What a model drew after a prompt.
struct PromptedTokens {
  Prompt prompt;
  std::vector<TokenId> tokens;
};

/// Returns log p of each answer, the sum over its tokens, with the logits divided by `temperature`. A prompt with its
/// answer must have at most n_ctx + 1 tokens; an answer may have none.
std::vector<double> log_probs_of(const ModelView& model, std::span<const PromptedTokens> answers, double temperature);

}  // namespace kiln
