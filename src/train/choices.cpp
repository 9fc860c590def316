// Lays choices end to end, each after its prompt, and scores them in batches.
#include "kiln/train/choices.h"

#include "kiln/core/compressed_file.h"
#include "kiln/core/error.h"
#include "kiln/core/file.h"
#include "kiln/core/json.h"
#include "kiln/core/report.h"
#include "kiln/data/batch.h"
#include "kiln/infer/context.h"
#include "kiln/infer/prompt.h"
#include "kiln/nn/runner.h"
#include "kiln/train/evaluate.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>
#include <string_view>
#include <utility>

namespace kiln {
namespace {

/// Throws Error (bad_input) with the place unless `holds`.
void expect(bool holds, const std::string& place, std::string_view what) { check_input(holds, "{}: {}", place, what); }

ChoiceQuestion question_of(const Json& record, std::string place) {
  expect(record.is_object() && record.contains("prompt") && record["prompt"].is_string(), place,
         "an object with \"prompt\", a text, is expected");
  const bool has_choices = record.contains("choices") && record["choices"].is_array() && record["choices"].size() > 1 &&
                           std::ranges::all_of(record["choices"], [](const Json& one) {
                             return one.is_string() && !one.get_ref<const std::string&>().empty();
                           });
  expect(has_choices, place, "\"choices\", a list of at least two texts that are not empty, is expected");
  ChoiceQuestion question{.prompt = record["prompt"].get<std::string>(),
                          .choices = record["choices"].get<std::vector<std::string>>(),
                          .place = std::move(place)};
  const Json answer = record.value("answer", Json());
  if (answer.is_string()) {
    const auto found = std::ranges::find(question.choices, answer.get<std::string>());
    expect(found != question.choices.end(), question.place, "\"answer\" is not one of \"choices\"");
    question.answer = found - question.choices.begin();
  } else {
    const bool is_index = answer.is_number_integer() && answer >= 0 && answer < question.choices.size();
    expect(is_index, question.place, "\"answer\", the index of the right choice (from 0) or its text, is expected");
    question.answer = answer.get<Index>();
  }
  return question;
}

/// A prompt and a choice as tokens.
struct Continuation {
  std::vector<TokenId> ids;
  std::size_t first = 0;  // token of the choice
};

Continuation continuation_of(const ChoiceQuestion& question, const std::string& choice, const Tokenizer& tokenizer,
                             const SpecialIds& ids, const std::optional<ChatTemplate>& chat, Index n_ctx) {
  Continuation continuation;
  if (chat) {
    const std::array messages{ChatMessage{ChatRole::user, question.prompt}, ChatMessage{ChatRole::assistant, choice}};
    ChatTokens tokens = at_place(question.place, [&] { return chat->tokens(messages); });
    const auto last = std::ranges::find(tokens.supervised.rbegin(), tokens.supervised.rend(), 1);
    check_input(last != tokens.supervised.rend(), "{}: a choice is empty; give it text", question.place);
    tokens.ids.resize(static_cast<std::size_t>(tokens.supervised.rend() - last));  // what follows the answer's end
    continuation.first = static_cast<std::size_t>(std::ranges::find(tokens.supervised, 1) - tokens.supervised.begin());
    continuation.ids = std::move(tokens.ids);
  } else {
    continuation.ids = encode_prompt(tokenizer, ids, question.prompt);
    continuation.first = continuation.ids.size();
    const std::vector<TokenId> more = tokenizer.encode(choice);
    continuation.ids.insert(continuation.ids.end(), more.begin(), more.end());
  }
  check_input(continuation.first > 0, "{}: the prompt has no token before the choice; give it text", question.place);
  const auto excess = std::max<Index>(0, std::ssize(continuation.ids) - 1 - n_ctx);
  check_input(static_cast<std::size_t>(excess) < continuation.first,
              "{}: a choice has more tokens than the context of {}; shorten it", question.place, n_ctx);
  continuation.ids.erase(continuation.ids.begin(), continuation.ids.begin() + excess);
  continuation.first -= static_cast<std::size_t>(excess);
  return continuation;
}

/// Scores continuations, as many at once as fit into the rows.
class ContinuationScorer {
 public:
  ContinuationScorer(const ModelView& model)
      : model_(model),
        rows_(evaluation_rows(model.config)),
        runner_(model.make_runner({.rows = rounded_up_rows(rows_), .scored = rows_})) {}

  /// Calls `done(i, log_probability)` for each continuation, in order.
  template <class Done>
  void score(std::span<const Continuation> continuations, Done&& done) {
    for (std::size_t begin = 0, end = 0; begin < continuations.size(); begin = end) {
      batch_.clear();
      while (end < continuations.size() && fits(continuations[end])) append(continuations[end++]);
      batch_.rows.round_up(kRowMultiple);
      losses_.resize(batch_.targets.size());
      runner_->forward(model_.weights, batch_.rows);
      runner_->score(batch_.scored_targets(), Vec<float>(losses_.data(), std::ssize(losses_)));
      std::size_t m = 0;
      for (std::size_t i = begin; i < end; ++i) {
        double sum = 0;
        for (std::size_t t = continuations[i].first; t < continuations[i].ids.size(); ++t) {
          sum -= static_cast<double>(losses_[m++]);
        }
        done(i, sum);
      }
    }
  }

 private:
  bool fits(const Continuation& continuation) const {
    return batch_.rows.size() + std::ssize(continuation.ids) - 1 <= rows_;
  }

  void append(const Continuation& continuation) {
    const Index row = batch_.rows.size();
    batch_.rows.append(std::span(continuation.ids).first(continuation.ids.size() - 1));
    for (std::size_t t = continuation.first; t < continuation.ids.size(); ++t) {
      batch_.scored.push_back(row + static_cast<Index>(t) - 1);
      batch_.targets.push_back(continuation.ids[t]);
    }
  }

  const ModelView& model_;
  Index rows_;
  std::unique_ptr<Runner<float>> runner_;
  Batch batch_;
  std::vector<float> losses_;
};

Index highest(const std::vector<double>& values) { return std::ranges::max_element(values) - values.begin(); }

}  // namespace

std::vector<ChoiceQuestion> read_choice_questions(const std::filesystem::path& file) {
  const std::string text = is_compressed(file) ? read_decompressed(file) : read_file(file);
  const std::string name = file.string();
  std::vector<ChoiceQuestion> questions;
  const std::size_t start = text.find_first_not_of(" \t\r\n");
  if (start != std::string::npos && text[start] == '[') {
    const Json array = parse_json(text, name, ExitCode::bad_input);
    for (std::size_t i = 0; i < array.size(); ++i)
      questions.push_back(question_of(array[i], fmt::format("{}[{}]", name, i)));
  } else {
    int number = 0;
    for (std::string_view rest = text; !rest.empty();) {
      const std::string_view line = rest.substr(0, rest.find('\n'));
      rest.remove_prefix(std::min(line.size() + 1, rest.size()));
      ++number;
      if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
      const std::string place = fmt::format("{}:{}", name, number);
      questions.push_back(question_of(parse_json(line, place, ExitCode::bad_input), place));
    }
  }
  check_input(!questions.empty(),
              "{}: holds no question; an object with \"prompt\", \"choices\" and \"answer\" per line is expected",
              name);
  return questions;
}

std::vector<RatedQuestion> rate_choices(const ModelView& model, const Tokenizer& tokenizer, const SpecialIds& ids,
                                        const std::optional<ChatTemplate>& chat,
                                        std::span<const ChoiceQuestion> questions) {
  std::vector<Continuation> continuations;
  for (const ChoiceQuestion& question : questions) {
    for (const std::string& choice : question.choices)
      continuations.push_back(continuation_of(question, choice, tokenizer, ids, chat, model.config.n_ctx));
  }
  std::vector<double> sums(continuations.size());
  Work work("scoring", static_cast<double>(continuations.size()), "choices");
  ContinuationScorer(model).score(continuations, [&](std::size_t i, double sum) {
    if (!std::isfinite(sum)) fail_diverged("the model's log probability of a choice is not finite");
    sums[i] = sum;
    work.add(1);
  });
  std::vector<RatedQuestion> rated;
  auto next = sums.begin();
  for (const ChoiceQuestion& question : questions) {
    RatedQuestion one;
    std::vector<double> per_byte;
    for (const std::string& choice : question.choices) {
      one.log_probabilities.push_back(*next++);
      per_byte.push_back(one.log_probabilities.back() / static_cast<double>(std::max<std::size_t>(1, choice.size())));
    }
    one.likeliest = highest(one.log_probabilities);
    one.likeliest_per_byte = highest(per_byte);
    rated.push_back(std::move(one));
  }
  return rated;
}

}  // namespace kiln
