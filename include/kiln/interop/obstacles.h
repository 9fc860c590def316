// What keeps a model from another program: where that computes something else, and would say nothing.
#pragma once

#include "kiln/nn/model_config.h"
#include "kiln/text/tokenizer.h"

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace kiln {

/// Why neither of llama.cpp's architectures gpt2 and llama computes what the model does, "model.KEY is ...; ...": every
/// reason, of the nearer architecture. Nothing where one of them does.
std::vector<std::string> gguf_obstacles(const ModelConfig& model);

/// The same of llm.c, whose GPT-2 is written into its code.
std::vector<std::string> llmc_obstacles(const ModelConfig& model);

/// A warning for each special token of these that the tokenizer has: kiln inserts them into prompts, `program` does
/// not.
std::vector<std::string> insertion_warnings(const Tokenizer& tokenizer,
                                            std::initializer_list<std::string_view> inserted, std::string_view program);

}  // namespace kiln
