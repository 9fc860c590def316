// Finds the features of a model that another program would silently compute differently.
#pragma once

#include "kiln/nn/model_config.h"
#include "kiln/text/tokenizer.h"

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace kiln {

/// Returns why llama.cpp's architectures gpt2 and llama do not compute this model, "model.KEY is ...; ...": all
/// reasons, of the closer architecture; empty if one of them computes it.
std::vector<std::string> gguf_unsupported(const ModelConfig& model);

/// Returns the reasons for llm.c, whose GPT-2 is hard-coded.
std::vector<std::string> llmc_unsupported(const ModelConfig& model);

/// Returns a warning for each of these tokens that the tokenizer has: kiln inserts it into prompts, `program` does not.
std::vector<std::string> insertion_warnings(const Tokenizer& tokenizer,
                                            std::initializer_list<std::string_view> inserted, std::string_view program);

}  // namespace kiln
