// A tokenizer in GGUF's keys: llama.cpp's byte-level BPE ("gpt2"), or none at all.
#pragma once

#include "kiln/interop/gguf.h"
#include "kiln/interop/huggingface_config.h"
#include "kiln/text/tokenizer.h"

#include <string>
#include <vector>

namespace kiln {

/// Why llama.cpp could not turn text into the same ids; nothing where it can (text in UTF-8; it replaces other bytes).
std::vector<std::string> gguf_obstacles(const Tokenizer& tokenizer, Index vocab_size);

/// What holds all the same, and its user should know.
std::vector<std::string> gguf_warnings(const Tokenizer& tokenizer, const SpecialIds& ids);

/// The keys tokenizer.ggml.*, of a tokenizer without obstacles. Bytes are written as GPT-2 writes them. A character
/// that takes several bytes becomes the result of merges of its own, which start at its first byte and so cannot join
/// two characters. Rows of the embedding beyond the tokenizer's ids become unused tokens "[PAD...]".
std::vector<GgufKey> gguf_tokenizer_keys(const Tokenizer& tokenizer, Index vocab_size, const SpecialIds& ids);

}  // namespace kiln
