// Estimates the number of tokens of a text without encoding all of it.
#pragma once

#include "kiln/data/corpus.h"
#include "kiln/run/config.h"
#include "kiln/text/special_ids.h"

#include <cstddef>
#include <cstdint>
#include <optional>

namespace kiln {

// Limits for a text for which a config is proposed.
inline constexpr double kHeldOutBytes = 2e6;            // held out: at most, and a tenth of the text
inline constexpr std::size_t kSampleBytes = 2'000'000;  // to try a tokenizer on

std::uint64_t bytes_of(const Documents& documents);

/// Returns the first `bytes` of the text, or all of it; may cut the last document.
Documents sample_of(const Documents& documents, std::size_t bytes);

/// Tokens of both splits.
struct TextLength {
  Index train = 0, validation = 0;
  Index held_out_prompts = 0;  // of a policy gradient, whose tokens are those of its prompts
  bool exact = false;          // true for token files; text is estimated from a sample
};

/// Estimates the length of a corpus from the tokens of its first bytes.
TextLength estimate_length(const Corpus& corpus, const Tokenizer& tokenizer, DocumentMarks marks);

/// Returns the length of the config's data; nullopt if it is empty, or it or its tokenizer cannot be read.
std::optional<TextLength> text_length(const Config& config);

}  // namespace kiln
