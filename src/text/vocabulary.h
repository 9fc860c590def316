// A vocabulary and its merges as files give them: checked against each other before anything is built from them.
#pragma once

#include "kiln/core/json.h"
#include "kiln/text/bpe.h"
#include "kiln/text/tokenizer.h"

#include "text/pair_map.h"
#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace kiln {

/// The tokens of a file by id, each as it is written there.
class Vocabulary {
 public:
  /// From {token: id} and the added tokens (which the object may hold or not). `source` names the file in messages.
  /// Throws Error (bad_input) unless the ids are 0 to n-1, each used once.
  Vocabulary(const Json& vocab, std::vector<SpecialToken> added, std::string_view source);

  const std::vector<std::string>& names() const { return names_; }
  const std::vector<SpecialToken>& added() const { return added_; }
  bool is_added(TokenId id) const;

  /// The bytes of the tokens in byte-level characters, empty for added ones. Throws Error (bad_input) for a token that
  /// no bytes stand behind.
  std::vector<std::string> byte_level_tokens() const;

  /// The id of a token that is not an added one, where there is one.
  std::optional<TokenId> find(std::string_view name) const;

 private:
  std::string source_;
  std::vector<std::string> names_;                     // by id
  std::vector<SpecialToken> added_;                    // by id
  std::unordered_map<std::string_view, TokenId> ids_;  // into names_
};

/// Collects the merges of a file in their order.
class MergeList {
 public:
  /// `place` names, for messages, where the merge of a number (a line, an index) stands.
  using Place = std::function<std::string(std::size_t number)>;
  MergeList(const Vocabulary& vocabulary, Place place) : vocabulary_(vocabulary), place_(std::move(place)) {}

  /// Throws Error (bad_input), beginning with the place, where one of the three tokens is not in the vocabulary, or the
  /// merge was given before.
  void add(std::string_view left, std::string_view right, std::size_t number);

  std::vector<Merge> take() { return std::move(merges_); }

 private:
  TokenId find(std::string_view name, std::size_t number) const;

  const Vocabulary& vocabulary_;
  Place place_;
  std::vector<Merge> merges_;
  PairMap<std::optional<std::size_t>> numbers_;  // of the merges so far
};

}  // namespace kiln
