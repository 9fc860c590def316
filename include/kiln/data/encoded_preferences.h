// Encodes judged answers as the tokens that a model reads, and their judgements as comparisons.
#pragma once

#include "kiln/data/judgements.h"
#include "kiln/data/packed_batches.h"
#include "kiln/text/chat_template.h"

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace kiln {

/// How a ranking becomes comparisons. pairs: each answer with each worse one (Bradley-Terry); plackett_luce: each
/// answer with all worse ones together (doi:10.2307/2346567), or pairs if some tie.
enum class Ranking { pairs, plackett_luce };
inline constexpr std::array<std::string_view, 2> kRankings{"pairs", "plackett_luce"};
inline std::span<const std::string_view> names_of(Ranking) { return kRankings; }

/// What weighs 1 in the loss. prompt: all comparisons of a prompt together, so that a much compared answer is not
/// learnt by heart; comparison: each by itself.
enum class WeightOf { prompt, comparison };
inline constexpr std::array<std::string_view, 2> kWeightsOf{"prompt", "comparison"};
inline std::span<const std::string_view> names_of(WeightOf) { return kWeightsOf; }

/// The rows of an answer that a head scores: those before each of its tokens, or that of its last token.
enum class ScoredRows { before_each_token, last };

struct PreferenceEncoding {
  Ranking ranking = Ranking::pairs;
  WeightOf weight_of = WeightOf::prompt;
  ScoredRows scored = ScoredRows::before_each_token;
  Index n_ctx = 0;  // rows of an answer with its prompt, at most
  Index rows = 0;   // of an example, at most
};

/// What a set of judged answers holds.
struct PreferenceCensus {
  Index prompts = 0;      // with a comparison
  Index answers = 0;      // encoded, counted in each example that holds it
  Index comparisons = 0;  // of one answer with one or several worse ones
  Index ties = 0;         // of these, pairs of equal answers
  Index tokens = 0;       // of all answers, each with its prompt
  Index longest = 0;      // tokens of the longest answer with its prompt, before any was cut or dropped
  Index cut = 0;          // prompts shortened at their beginning, so that the answers fit
  Index too_long = 0;     // answers dropped: longer than n_ctx by themselves
  Index empty = 0;        // answers dropped: without text
  Index equal = 0;        // comparisons dropped: of answers with the same tokens
  Index left_out = 0;     // prompts without a comparison of two answers that were kept

  /// Adds what another set holds.
  void add(const PreferenceCensus& other);
};

/// A judged prompt as tokens.
struct EncodedPrompt {
  std::vector<TokenId> prompt;
  std::vector<std::vector<TokenId>> answers;  // those that are compared
  std::vector<Comparison> comparisons;        // of these
  PreferenceCensus census;
  std::string place;
};

/// Judged prompts as tokens and comparisons. An example is a prompt with its compared answers; of a prompt whose
/// answers do not fit into a batch together, several examples with a part of its comparisons each.
class EncodedPreferences final : public Examples {
 public:
  explicit EncodedPreferences(const PreferenceEncoding& encoding) : encoding_(encoding) {}

  const PreferenceCensus& census() const { return census_; }

  /// Returns a hash of all tokens and comparisons.
  std::uint64_t digest() const;

  Index size() const override { return std::ssize(examples_); }
  std::string_view unit() const override { return "prompt"; }
  Index rows(Index i) const override;
  /// Appends each answer as a sequence with positions from 0, and the comparisons between them.
  void append(Index i, std::uint64_t number, Batch& batch) const override;

  /// Returns the answers, each with its prompt, counted again in each example that holds it.
  Index answers() const { return std::ssize(answers_); }
  Index first_answer(Index i) const { return examples_[static_cast<std::size_t>(i)].first_answer; }
  /// Returns where the prompt of an answer was read, for messages.
  const std::string& place(Index answer) const;

  /// Sets log p of each answer under the reference model.   log_probs (answers).
  void set_reference(std::vector<double> log_probs);

  /// Adds a prompt. Throws Error (usage) if the answers of one comparison take more than the encoding's rows.
  void add(const EncodedPrompt& prompt);

 private:
  struct Answer {
    Index begin, end;   // in ids_
    Index prompt;       // tokens before the answer's own
    std::size_t place;  // in places_
  };
  struct Example {
    Index first_answer, end_answer;  // in answers_
    Index first_comparison, end_comparison;
  };

  /// Returns the prompt's comparisons. Orders pairs that do not fit into a batch by blocks of answers, of which two
  /// fit, so that few batches hold an answer.
  std::vector<Comparison> in_tiles(const EncodedPrompt& prompt) const;
  void add_example(const EncodedPrompt& prompt, std::span<const Comparison> comparisons);
  Index rows_of(Index tokens) const { return tokens - (encoding_.scored == ScoredRows::before_each_token ? 1 : 0); }

  PreferenceEncoding encoding_;
  std::vector<TokenId> ids_;
  std::vector<Answer> answers_;
  std::vector<Comparison> comparisons_;  // their sequences counted from the example's first answer
  std::vector<Example> examples_;
  std::vector<std::string> places_;  // of prompts
  std::vector<double> reference_;    // (answers), or empty
  PreferenceCensus census_;
};

/// Encodes judged prompts in their order, on all threads. Throws Error (usage) as EncodedPreferences::add and
/// Tokenizer::encode do.
std::shared_ptr<EncodedPreferences> encode_preferences(std::span<const JudgedPrompt> prompts, const ChatTemplate& chat,
                                                       const PreferenceEncoding& encoding);

}  // namespace kiln
