// Encodes each prompt by itself, so that all threads share the work, then lays out examples that fit into a batch.
#include "kiln/data/encoded_preferences.h"

#include "kiln/core/error.h"
#include "kiln/core/format.h"
#include "kiln/core/hash.h"
#include "kiln/core/threads.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <map>
#include <optional>
#include <utility>

namespace kiln {
namespace {

constexpr int kAnswerBits = 20;  // of a sequence's number: the answer within its example

std::vector<Comparison> pairs(const Judgement& judgement) {
  std::vector<Comparison> comparisons;
  for (const JudgedPair& pair : pairs_of(judgement)) {
    comparisons.push_back({.chosen = static_cast<Index>(pair.better),
                           .rejected = {static_cast<Index>(pair.worse)},
                           .probability = pair.is_tie ? 0.5 : judgement.probability,
                           .margin = pair.is_tie ? 0 : judgement.margin.value_or(0)});
  }
  return comparisons;
}

/// Returns each answer with all worse ones; of a judgement with a tie, or one that may be wrong, pairs.
std::vector<Comparison> choices(const Judgement& judgement) {
  const auto is_tie = [](const std::vector<std::size_t>& group) { return group.size() > 1; };
  if (judgement.probability < 1 || std::ranges::any_of(judgement.order, is_tie)) return pairs(judgement);
  std::vector<Comparison> comparisons;
  std::vector<Index> worse(judgement.rest.begin(), judgement.rest.end());
  for (auto group = judgement.order.rbegin(); group != judgement.order.rend(); ++group) {
    for (const std::size_t answer : *group) {
      if (!worse.empty()) comparisons.push_back({.chosen = static_cast<Index>(answer), .rejected = worse});
    }
    worse.insert(worse.end(), group->begin(), group->end());
  }
  const bool is_pair = comparisons.size() == 1 && comparisons.front().rejected.size() == 1;
  return is_pair ? pairs(judgement) : comparisons;
}

/// Encodes one prompt.
class PromptEncoder {
 public:
  PromptEncoder(const ChatTemplate& chat, const PreferenceEncoding& encoding) : chat_(chat), encoding_(encoding) {}

  EncodedPrompt encode(const JudgedPrompt& judged) const {
    EncodedPrompt encoded{
        .prompt = chat_.prompt(judged.messages), .answers = {}, .comparisons = {}, .census = {}, .place = judged.place};
    std::vector<std::vector<TokenId>> answers;  // of all of the prompt's; empty if dropped
    for (const JudgedAnswer& answer : judged.answers) answers.push_back(encode(judged, answer, encoded));
    encoded.comparisons = comparisons_of(judged, answers, encoded.census);
    keep_compared(answers, encoded);
    encoded.census.left_out = encoded.comparisons.empty() ? 1 : 0;
    return encoded;
  }

 private:
  Index rows(Index tokens) const { return tokens - (encoding_.scored == ScoredRows::before_each_token ? 1 : 0); }

  /// Returns the tokens of an answer and the end of its turn; none if it is empty, or longer than n_ctx with a single
  /// token of its prompt.
  std::vector<TokenId> encode(const JudgedPrompt& judged, const JudgedAnswer& answer, EncodedPrompt& encoded) const {
    PreferenceCensus& census = encoded.census;
    if (trim_content(answer.text).empty()) {
      ++census.empty;
      return {};
    }
    std::vector<ChatMessage> messages = judged.messages;
    messages.push_back({ChatRole::assistant, answer.text});
    const ChatTokens tokens = chat_.tokens(messages, Supervise::completion);
    const auto begin = std::ssize(encoded.prompt);
    const auto last = std::ranges::find(tokens.supervised.rbegin(), tokens.supervised.rend(), 1).base();
    const auto end = last - tokens.supervised.begin();  // what follows is not the answer's
    check(begin < end && std::equal(encoded.prompt.begin(), encoded.prompt.end(), tokens.ids.begin()),
          "the model's chat template writes other text before an answer than in a prompt; choose another with "
          "chat.template");
    census.longest = std::max(census.longest, end);
    if (rows(1 + end - begin) > encoding_.n_ctx) {
      ++census.too_long;
      return {};
    }
    return {tokens.ids.begin() + begin, tokens.ids.begin() + end};
  }

  std::vector<Comparison> comparisons_of(const JudgedPrompt& judged, const std::vector<std::vector<TokenId>>& answers,
                                         PreferenceCensus& census) const {
    std::vector<Comparison> all;
    for (const Judgement& judgement : judged.judgements) {
      for (Comparison& one : encoding_.ranking == Ranking::pairs ? pairs(judgement) : choices(judgement)) {
        const std::vector<TokenId>& chosen = answers[static_cast<std::size_t>(one.chosen)];
        if (chosen.empty()) continue;
        std::erase_if(one.rejected, [&](Index i) { return answers[static_cast<std::size_t>(i)].empty(); });
        const auto dropped =
            std::erase_if(one.rejected, [&](Index i) { return answers[static_cast<std::size_t>(i)] == chosen; });
        if (!one.rejected.empty()) {
          all.push_back(std::move(one));
        } else {
          census.equal += dropped > 0 ? 1 : 0;
        }
      }
    }
    for (Comparison& one : all) {
      if (encoding_.scored != ScoredRows::last) one.margin = 0;  // a reward model's alone
      if (encoding_.weight_of == WeightOf::prompt) one.weight = 1 / static_cast<double>(all.size());
    }
    return all;
  }

  /// Keeps the answers that are compared, and cuts the prompt from the left so that each fits behind it.
  void keep_compared(std::vector<std::vector<TokenId>>& answers, EncodedPrompt& encoded) const {
    std::map<Index, Index> names;
    Index longest = 0;
    const auto name = [&](Index& answer) {
      const auto [known, is_new] = names.try_emplace(answer, std::ssize(encoded.answers));
      if (is_new) {
        encoded.answers.push_back(std::move(answers[static_cast<std::size_t>(answer)]));
        longest = std::max(longest, std::ssize(encoded.answers.back()));
      }
      answer = known->second;
    };
    for (Comparison& comparison : encoded.comparisons) {
      name(comparison.chosen);
      std::ranges::for_each(comparison.rejected, name);
    }
    const Index too_many = rows(std::ssize(encoded.prompt) + longest) - encoding_.n_ctx;
    if (too_many <= 0 || encoded.answers.empty()) return;
    encoded.prompt.erase(encoded.prompt.begin(), encoded.prompt.begin() + too_many);
    encoded.census.cut = 1;
  }

  const ChatTemplate& chat_;
  const PreferenceEncoding& encoding_;
};

template <class T>
std::uint64_t hash_of(const std::vector<T>& values) {
  const auto bytes = std::as_bytes(std::span(values));
  return hash_bytes(std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
}

}  // namespace

void PreferenceCensus::add(const PreferenceCensus& other) {
  prompts += other.prompts;
  answers += other.answers;
  comparisons += other.comparisons;
  ties += other.ties;
  tokens += other.tokens;
  longest = std::max(longest, other.longest);
  cut += other.cut;
  too_long += other.too_long;
  empty += other.empty;
  equal += other.equal;
  left_out += other.left_out;
}

void EncodedPreferences::add(const EncodedPrompt& prompt) {
  census_.add(prompt.census);
  if (prompt.comparisons.empty()) return;
  ++census_.prompts;
  places_.push_back(prompt.place);
  const std::vector<Comparison> ordered = in_tiles(prompt);
  std::span<const Comparison> rest = ordered;
  while (!rest.empty()) {  // as many comparisons as fit into a batch
    std::vector<bool> holds(prompt.answers.size());
    Index rows = 0;
    std::size_t count = 0;
    for (; count < rest.size(); ++count) {
      Index more = 0;
      const auto take = [&](Index answer) {
        const auto i = static_cast<std::size_t>(answer);
        if (!holds[i]) more += rows_of(std::ssize(prompt.prompt) + std::ssize(prompt.answers[i]));
        holds[i] = true;
      };
      take(rest[count].chosen);
      std::ranges::for_each(rest[count].rejected, take);
      check(count > 0 || more <= encoding_.rows,
            "{}: the {} answers of one comparison take {}, more than the {} of a micro-batch; set "
            "train.batch_size to at least {}",
            prompt.place, 1 + rest[count].rejected.size(), counted(more, "row"), format_count(encoding_.rows),
            (more + encoding_.n_ctx - 1) / encoding_.n_ctx);
      if (rows + more > encoding_.rows) break;
      rows += more;
    }
    add_example(prompt, rest.first(count));
    rest = rest.subspan(count);
  }
}

std::vector<Comparison> EncodedPreferences::in_tiles(const EncodedPrompt& prompt) const {
  std::vector<Comparison> comparisons = prompt.comparisons;
  std::vector<std::size_t> blocks;  // of each answer
  Index all = 0, filled = 0;
  std::size_t block = 0;
  for (const std::vector<TokenId>& answer : prompt.answers) {
    const Index rows = rows_of(std::ssize(prompt.prompt) + std::ssize(answer));
    all += rows;
    filled += rows;
    if (2 * filled > encoding_.rows) {
      ++block;
      filled = rows;
    }
    blocks.push_back(block);
  }
  const auto is_pair = [](const Comparison& comparison) { return comparison.rejected.size() == 1; };
  if (all <= encoding_.rows || !std::ranges::all_of(comparisons, is_pair)) return comparisons;
  std::ranges::stable_sort(comparisons, {}, [&](const Comparison& comparison) {
    const std::size_t a = blocks[static_cast<std::size_t>(comparison.chosen)],
                      b = blocks[static_cast<std::size_t>(comparison.rejected.front())];
    return std::pair(std::min(a, b), std::max(a, b));
  });
  return comparisons;
}

void EncodedPreferences::add_example(const EncodedPrompt& prompt, std::span<const Comparison> comparisons) {
  std::map<Index, Index> names;
  Example example{
      .first_answer = answers(), .end_answer = 0, .first_comparison = std::ssize(comparisons_), .end_comparison = 0};
  const auto name = [&](Index& answer) {
    const auto [known, is_new] = names.try_emplace(answer, std::ssize(names));
    if (is_new) {
      const std::vector<TokenId>& tokens = prompt.answers[static_cast<std::size_t>(answer)];
      const Index begin = std::ssize(ids_);
      ids_.insert(ids_.end(), prompt.prompt.begin(), prompt.prompt.end());
      ids_.insert(ids_.end(), tokens.begin(), tokens.end());
      answers_.push_back({begin, std::ssize(ids_), std::ssize(prompt.prompt), places_.size() - 1});
      census_.tokens += std::ssize(ids_) - begin;
      ++census_.answers;
    }
    answer = known->second;
  };
  for (Comparison comparison : comparisons) {
    name(comparison.chosen);
    std::ranges::for_each(comparison.rejected, name);
    ++census_.comparisons;
    census_.ties += comparison.probability == 0.5 ? 1 : 0;
    comparisons_.push_back(std::move(comparison));
  }
  example.end_answer = answers();
  example.end_comparison = std::ssize(comparisons_);
  examples_.push_back(example);
}

Index EncodedPreferences::rows(Index i) const {
  const Example& example = examples_[static_cast<std::size_t>(i)];
  Index rows = 0;
  for (Index a = example.first_answer; a < example.end_answer; ++a) {
    const Answer& answer = answers_[static_cast<std::size_t>(a)];
    rows += rows_of(answer.end - answer.begin);
  }
  return rows;
}

void EncodedPreferences::append(Index i, std::uint64_t number, Batch& batch) const {
  const Example& example = examples_[static_cast<std::size_t>(i)];
  const Index first_sequence = std::ssize(batch.rows.sequences);
  for (Index a = example.first_answer; a < example.end_answer; ++a) {
    const Answer& answer = answers_[static_cast<std::size_t>(a)];
    const std::span<const TokenId> ids = std::span(ids_).subspan(static_cast<std::size_t>(answer.begin),
                                                                 static_cast<std::size_t>(answer.end - answer.begin));
    const Index first_row = batch.rows.size(), rows = rows_of(std::ssize(ids));
    batch.rows.append(ids.first(static_cast<std::size_t>(rows)),
                      {.number = number << kAnswerBits | static_cast<std::uint64_t>(a - example.first_answer)});
    const bool scores_tokens = encoding_.scored == ScoredRows::before_each_token;
    for (Index t = scores_tokens ? answer.prompt - 1 : rows - 1; t < rows; ++t) {
      batch.scored.push_back(first_row + t);
      batch.targets.push_back(scores_tokens ? ids[static_cast<std::size_t>(t) + 1] : 0);
      batch.weights.push_back(1.0f);
    }
    if (!reference_.empty()) batch.reference.push_back(reference_[static_cast<std::size_t>(a)]);
  }
  for (Index c = example.first_comparison; c < example.end_comparison; ++c) {
    Comparison comparison = comparisons_[static_cast<std::size_t>(c)];
    comparison.chosen += first_sequence;
    for (Index& answer : comparison.rejected) answer += first_sequence;
    batch.comparisons.push_back(std::move(comparison));
  }
}

const std::string& EncodedPreferences::place(Index answer) const {
  return places_[answers_[static_cast<std::size_t>(answer)].place];
}

void EncodedPreferences::set_reference(std::vector<double> log_probs) {
  assert(std::ssize(log_probs) == answers());
  reference_ = std::move(log_probs);
}

std::uint64_t EncodedPreferences::digest() const {
  std::vector<Index> numbers;
  for (const Answer& answer : answers_) numbers.insert(numbers.end(), {answer.begin, answer.end, answer.prompt});
  std::vector<double> judged;
  for (const Example& example : examples_) {
    numbers.insert(numbers.end(), {example.end_answer, example.end_comparison});
  }
  for (const Comparison& comparison : comparisons_) {
    numbers.push_back(comparison.chosen);
    numbers.insert(numbers.end(), comparison.rejected.begin(), comparison.rejected.end());
    judged.insert(judged.end(), {comparison.weight, comparison.probability, comparison.margin});
  }
  return hash_of(std::vector<std::uint64_t>{hash_of(ids_), hash_of(numbers), hash_of(judged)});
}

std::shared_ptr<EncodedPreferences> encode_preferences(std::span<const JudgedPrompt> prompts, const ChatTemplate& chat,
                                                       const PreferenceEncoding& encoding) {
  const PromptEncoder encoder(chat, encoding);
  std::vector<EncodedPrompt> encoded(prompts.size());
  parallel_each(std::ssize(prompts), [&](Index i) {
    const JudgedPrompt& prompt = prompts[static_cast<std::size_t>(i)];
    encoded[static_cast<std::size_t>(i)] = at_place(prompt.place, [&] { return encoder.encode(prompt); });
  });
  auto preferences = std::make_shared<EncodedPreferences>(encoding);
  for (const EncodedPrompt& prompt : encoded) preferences->add(prompt);
  return preferences;
}

}  // namespace kiln
