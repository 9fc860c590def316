// Writes a tokenizer as GGUF keys: llama.cpp's byte-level BPE ("gpt2"), or none.
#pragma once

#include "kiln/interop/gguf.h"
#include "kiln/interop/huggingface_config.h"
#include "kiln/text/tokenizer.h"

#include <string>
#include <vector>

namespace kiln {

/// Returns the reasons why llama.cpp would not encode text to the same ids; empty if it would (for UTF-8 text; it
/// replaces invalid bytes).
std::vector<std::string> gguf_unsupported(const Tokenizer& tokenizer, Index vocab_size);

/// Returns differences that do not prevent the export but that the user should know.
std::vector<std::string> gguf_warnings(const Tokenizer& tokenizer, const SpecialIds& ids);

/// Returns the keys tokenizer.ggml.* of a tokenizer without unsupported features. Spells bytes as GPT-2 does. A char
/// tokenizer's character of several bytes is built by its own merges, which start at its first byte and so cannot join
/// two characters. Embedding rows beyond the tokenizer's ids become unused tokens "[PAD...]".
std::vector<GgufKey> gguf_tokenizer_keys(const Tokenizer& tokenizer, Index vocab_size, const SpecialIds& ids);

}  // namespace kiln
