// A vocabulary and its merges as files give them: checked against each other before anything is built from them.
#pragma once

#include "kiln/core/json.h"
#include "kiln/text/bpe.h"
#include "kiln/text/tokenizer.h"

#include <map>
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

  /// The merge of two tokens. Throws Error (bad_input), beginning with `place`, where one of the three is not there.
  Merge merge(const std::string& left, const std::string& right, std::string_view place) const;

 private:
  TokenId find(const std::string& name, std::string_view place) const;

  std::string source_;
  std::vector<std::string> names_;                     // by id
  std::vector<SpecialToken> added_;                    // by id
  std::unordered_map<std::string_view, TokenId> ids_;  // into names_
};

/// Collects merges in their order. Throws Error (bad_input), beginning with `place`, for one given twice.
class MergeList {
 public:
  void add(const Merge& merge, std::string_view place);
  std::vector<Merge> take() { return std::move(merges_); }

 private:
  std::vector<Merge> merges_;
  std::map<std::pair<TokenId, TokenId>, std::string> places_;
};

}  // namespace kiln
