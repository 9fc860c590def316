// Texts named by a config, and the tokens of a file.
#pragma once

#include "kiln/data/corpus.h"
#include "kiln/data/token_file.h"

#include <fmt/format.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace kiln::testing {

using Tokens = std::vector<std::int32_t>;

inline DataConfig config_of(std::vector<std::string> train, double fraction = 0) {
  DataConfig config;
  config.train = std::move(train);
  config.validation_fraction = fraction;
  return config;
}

/// A record with a tree of replies: so many messages, each below the one before it, and beside each reply a worse one.
inline std::string chain_of_replies(int messages) {
  std::string tree = R"({"prompt": )";
  for (int i = 0; i < messages; ++i) {
    const char* role = i % 2 == 0 ? "prompter" : "assistant";
    tree += fmt::format(R"({{"role": "{}", "text": "m{}", "rank": 0, "replies": [)", role, i);
  }
  for (int i = messages; i-- > 0;) {
    tree += fmt::format(R"({}{{"role": "assistant", "text": "worse", "rank": 1}}]}})", i + 1 < messages ? ", " : "");
  }
  return tree + "}\n";
}

inline Tokens all(const TokenFile& file) {
  Tokens tokens(static_cast<std::size_t>(file.size()));
  file.read(0, file.size(), tokens.data());
  return tokens;
}

}  // namespace kiln::testing
