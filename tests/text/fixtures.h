// The fixtures that the reference tokenizers made (tests/oracles), and texts to try things on.
#pragma once

#include "kiln/core/file.h"
#include "kiln/core/json.h"
#include "kiln/core/rng.h"
#include "kiln/text/bpe.h"
#include "kiln/text/byte_level.h"
#include "kiln/text/pretokenizer.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace kiln::testing {

inline std::filesystem::path fixture_path(const std::string& name) {
  return std::filesystem::path(KILN_SOURCE_DIR) / "tests/text/fixtures" / name;
}

inline Json read_fixture(const std::string& name) { return parse_json(read_file(fixture_path(name)), name); }

struct Case {
  std::string text;
  std::vector<TokenId> ids;
};

/// The texts of gpt2.json or cl100k.json with tiktoken's ids.
inline std::vector<Case> reference_cases(const std::string& name) {
  std::vector<Case> cases;
  const Json fixture = read_fixture(name);
  for (const Json& entry : fixture["cases"]) {
    Case& added = cases.emplace_back();
    added.ids = entry["ids"].get<std::vector<TokenId>>();
    const Json& text = entry["text"];
    if (text.is_string()) {
      added.text = text.get<std::string>();
    } else {
      for (int i = 0; i < text["times"].get<int>(); ++i) added.text += text["unit"].get<std::string>();
    }
  }
  return cases;
}

/// The part of the reference's vocabulary that the texts need, with the ids of the whole.
inline Bpe reference_bpe(const std::string& name) {
  const Json fixture = read_fixture(name);
  std::vector<std::string> tokens(fixture["merges"].back()[0].get<std::size_t>() + 1);
  for (std::size_t id = 0; id < 256; ++id) tokens[id] = std::string(1, static_cast<char>(kByteOrder[id]));
  std::vector<Merge> merges;
  for (const Json& entry : fixture["merges"]) {
    const auto id = entry[0].get<TokenId>(), left = entry[1].get<TokenId>(), right = entry[2].get<TokenId>();
    merges.push_back({left, right, id});
    tokens[static_cast<std::size_t>(id)] =
        tokens[static_cast<std::size_t>(left)] + tokens[static_cast<std::size_t>(right)];
  }
  return Bpe(std::move(tokens), std::move(merges));
}

inline std::vector<TokenId> encode_pieces(const Bpe& bpe, SplitPattern pattern, std::string_view text) {
  std::vector<TokenId> ids;
  Bpe::Cache cache;
  for (const std::string_view piece : split_pieces(pattern, text)) bpe.encode_piece(piece, cache, ids);
  return ids;
}

/// Random bytes from an alphabet in which everything the patterns tell apart comes up often, invalid UTF-8 included.
inline std::string random_text(Rng& rng, std::size_t parts) {
  static const std::vector<std::string> alphabet{"a",
                                                 "b",
                                                 "s",
                                                 "t",
                                                 "re",
                                                 "Z",
                                                 "'",
                                                 "'s",
                                                 "'LL",
                                                 "1",
                                                 "23",
                                                 " ",
                                                 "  ",
                                                 "\n",
                                                 "\r\n",
                                                 "\t",
                                                 ".",
                                                 "-!",
                                                 "\x7F",
                                                 "\x1C",
                                                 "é",
                                                 "ж",
                                                 "中",
                                                 "٣",
                                                 "\xC2\x85",
                                                 "\xC2\xA0",
                                                 "\xE3\x80\x80",
                                                 "\xE1\xA0\x8E",
                                                 "\xE2\x80\xA8",
                                                 "ſ",
                                                 "\u212A",
                                                 "Ⅻ",
                                                 "½",
                                                 "😀",
                                                 "\xCC\x81",
                                                 "\xFF",
                                                 "\x80",
                                                 "\xE2\x82",
                                                 "\xED\xA0\x80",
                                                 "\xF0\x9F\x98",
                                                 std::string(1, '\0'),
                                                 "\xC0\xAF",
                                                 "\xEF\xBB\xBF"};
  std::string text;
  for (std::size_t i = 0; i < parts; ++i) text += alphabet[rng.below(alphabet.size())];
  return text;
}

/// Expects an Error of that code whose message holds every one of the words.
inline void expect_error(ExitCode code, const std::vector<std::string>& words, const std::function<void()>& action) {
  try {
    action();
    ADD_FAILURE() << "no error; expected one about \"" << (words.empty() ? "" : words.front()) << '"';
  } catch (const Error& error) {
    EXPECT_EQ(static_cast<int>(error.code()), static_cast<int>(code)) << error.what();
    for (const std::string& word : words) {
      EXPECT_NE(std::string_view(error.what()).find(word), std::string_view::npos)
          << '"' << word << "\" is not in: " << error.what();
    }
  }
}

}  // namespace kiln::testing
