// How many tokens a text comes to, without encoding all of it.
#pragma once

#include "kiln/data/corpus.h"
#include "kiln/run/config.h"
#include "kiln/text/special_ids.h"

#include <cstddef>
#include <cstdint>
#include <optional>

namespace kiln {

// Of a text for which a config is proposed.
inline constexpr double kHeldOutBytes = 2e6;            // held out: at most, and a tenth of the text
inline constexpr std::size_t kSampleBytes = 2'000'000;  // that a tokenizer is tried on

std::uint64_t bytes_of(const Documents& documents);

/// The first `bytes` of the text, or all of it; the last document may be cut.
Documents sample_of(const Documents& documents, std::size_t bytes);

/// Tokens of both splits.
struct TextLength {
  Index train = 0, validation = 0;
  bool exact = false;  // token files are counted, text is estimated from a sample
};

/// Estimates the length of a corpus from the tokens of its first bytes.
TextLength estimate_length(const Corpus& corpus, const Tokenizer& tokenizer, DocumentMarks marks);

/// The length of the config's data. Nothing where it cannot be read, or needs a tokenizer that cannot be had.
std::optional<TextLength> text_length(const Config& config);

}  // namespace kiln
