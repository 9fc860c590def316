// Validates a file's vocabulary and merges before anything is built from them.
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

/// An added token, and the place that adds it, for messages: the file and, within it, the key.
struct AddedToken {
  SpecialToken token;
  std::string place;
};

/// Holds a file's tokens by id, as spelled there.
class Vocabulary {
 public:
  /// Takes {token: id} and the added tokens, which the object may or may not contain. `source` names the object's file
  /// in messages. Throws Error (bad_input) unless the ids are 0 to n-1, each used once.
  Vocabulary(const Json& vocab, std::vector<AddedToken> added, std::string_view source);

  const std::vector<std::string>& names() const { return names_; }
  const std::vector<SpecialToken>& added() const { return added_; }
  bool is_added(TokenId id) const;

  /// Returns the place that adds the token; nullptr if none does.
  const std::string* place_of_added(std::string_view name) const;

  /// Decodes the tokens from byte-level characters; empty for added ones. Throws Error (bad_input) for a token that
  /// encodes no bytes.
  std::vector<std::string> byte_level_tokens() const;

  /// Returns the id of a token that is not an added one, or nullopt.
  std::optional<TokenId> find(std::string_view name) const;

 private:
  std::string source_;
  std::vector<std::string> names_;                     // by id
  std::vector<SpecialToken> added_;                    // by id
  std::vector<std::string> places_;                    // of added_
  std::unordered_map<std::string_view, TokenId> ids_;  // into names_
};

/// Collects a file's merges in order.
class MergeList {
 public:
  /// Returns, for messages, the place of merge `number` (a line, an index).
  using Place = std::function<std::string(std::size_t number)>;
  MergeList(const Vocabulary& vocabulary, Place place) : vocabulary_(vocabulary), place_(std::move(place)) {}

  /// Adds a merge. Throws Error (bad_input), beginning with the place, if one of the three tokens is not in the
  /// vocabulary or the merge is a duplicate.
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
