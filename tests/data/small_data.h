// Texts named by a config, and the tokens of a file.
#pragma once

#include "kiln/data/corpus.h"
#include "kiln/data/token_file.h"

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

inline Tokens all(const TokenFile& file) {
  Tokens tokens(static_cast<std::size_t>(file.size()));
  file.read(0, file.size(), tokens.data());
  return tokens;
}

}  // namespace kiln::testing
