// Cutting, encoding and learning text: tokenizer/WHAT/PATTERN, on a text made here.
#include "kiln/core/rng.h"
#include "kiln/text/bpe_tokenizer.h"
#include "kiln/text/bpe_trainer.h"
#include "kiln/text/pretokenizer.h"
#include "kiln/text/tokenizer_json.h"

#include "workload.h"
#include <cmath>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace kiln::bench {
namespace {

constexpr std::size_t kTextBytes = 16'000'000;
constexpr std::size_t kLearntBytes = 1'000'000;
constexpr std::size_t kWords = 200'000;
constexpr std::int64_t kVocabulary = 4096;

/// A word of one to four syllables, each eighth word in Cyrillic letters.
std::string make_word(Rng& rng) {
  constexpr std::string_view kLatin[] = {"b", "k", "d", "st", "m", "tr", "a", "e", "i", "o", "ou", "ea"};
  constexpr std::string_view kCyrillic[] = {"б", "к", "д", "ст", "м", "тр", "а", "е", "и", "о", "оу", "я"};
  const auto& letters = rng.below(8) == 0 ? kCyrillic : kLatin;
  std::string word;
  for (std::uint64_t syllables = 1 + rng.below(4); syllables > 0; --syllables) {
    word += letters[rng.below(6)];
    word += letters[6 + rng.below(6)];
  }
  return word;
}

/// Words of which the n-th is about n times rarer than the first, as in all languages (Zipf); among them signs, numbers
/// and line feeds.
std::string make_text() {
  Rng rng(1, "benchmark text");
  std::vector<std::string> words(kWords);
  for (std::string& word : words) word = make_word(rng);
  std::string text;
  while (text.size() < kTextBytes) {
    const double rank = std::pow(static_cast<double>(kWords), rng.uniform()) - 1;
    text += words[static_cast<std::size_t>(rank)];
    switch (rng.below(12)) {
      case 0:
        text += ", ";
        break;
      case 1:
        text += ".\n";
        break;
      case 2:
        text += " (" + std::to_string(rng.below(2000)) + ") ";
        break;
      default:
        text += ' ';
    }
  }
  return text;
}

const std::string& text() {
  static const std::string made = make_text();
  return made;
}

TokenizerConfig config_of(SplitPattern pattern) {
  TokenizerConfig config;
  config.vocab_size = kVocabulary;
  config.pattern = pattern;
  return config;
}

void report_bytes(benchmark::State& state, std::size_t bytes) {
  state.counters["MB/s"] =
      benchmark::Counter(static_cast<double>(bytes) * 1e-6, benchmark::Counter::kIsIterationInvariantRate);
}

/// One thread's walk over the pieces.
void split(benchmark::State& state, SplitPattern pattern) {
  for (auto _ : state) {
    PieceReader reader(pattern, text());
    std::size_t pieces = 0;
    while (!reader.next().empty()) ++pieces;
    benchmark::DoNotOptimize(pieces);
  }
  report_bytes(state, text().size());
}

/// All threads. `cold`: by a tokenizer that has seen no text, as in a new process.
void encode(benchmark::State& state, SplitPattern pattern, bool cold) {
  const std::string_view learnt = std::string_view(text()).substr(0, kLearntBytes);
  std::unique_ptr<Tokenizer> tokenizer = BpeTokenizer::make(config_of(pattern), {&learnt, 1});
  const std::string json = format_tokenizer_json(*tokenizer);
  for (auto _ : state) {
    if (cold) {
      state.PauseTiming();
      tokenizer = read_tokenizer_json(json, "benchmark");
      state.ResumeTiming();
    }
    benchmark::DoNotOptimize(tokenizer->encode(text()));
  }
  report_bytes(state, text().size());
}

void train(benchmark::State& state, SplitPattern pattern) {
  const std::string_view learnt = std::string_view(text()).substr(0, kLearntBytes);
  for (auto _ : state) benchmark::DoNotOptimize(BpeTokenizer::make(config_of(pattern), {&learnt, 1}));
  report_bytes(state, learnt.size());
}

const bool kAdded = [] {
  for (std::size_t i = 0; i < kSplitPatterns.size(); ++i) {
    const auto pattern = static_cast<SplitPattern>(i);
    const std::string name(kSplitPatterns[i]);
    add("tokenizer/split/" + name, [=](benchmark::State& state) { split(state, pattern); });
    add("tokenizer/encode/" + name, [=](benchmark::State& state) { encode(state, pattern, false); });
    add("tokenizer/encode-cold/" + name, [=](benchmark::State& state) { encode(state, pattern, true); });
    add("tokenizer/train/" + name, [=](benchmark::State& state) { train(state, pattern); });
  }
  return true;
}();

}  // namespace
}  // namespace kiln::bench
