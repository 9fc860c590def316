// Texts named by a config, the tokens of a file, records that are refused, and trees of replies.
#pragma once

#include "kiln/core/error.h"
#include "kiln/data/corpus.h"
#include "kiln/data/token_file.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "support/scratch.h"
#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
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

/// Returns the message about a file of this text, without the folder's path; "" if `read` accepts it.
inline std::string refusal_of(std::string_view text, std::string_view name,
                              const std::function<void(const std::filesystem::path& file)>& read) {
  const Scratch folder;
  try {
    read(folder.write(name, text));
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::bad_input) << error.what();
    const std::string place = folder.path().string() + "/";
    const std::string message = error.what();
    EXPECT_TRUE(message.starts_with(place)) << message;
    return message.substr(std::min(place.size(), message.size()));
  }
  return "";
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
