// What every tokenizer can do, and the table of those there are.
#pragma once

#include "kiln/core/json.h"
#include "kiln/text/token.h"
#include "kiln/text/tokenizer_config.h"

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace kiln {

/// A token that no text merges into. tokenizer.json has, beside special tokens, added ones that are found in any text.
struct SpecialToken {
  std::string content;
  TokenId id;
  bool in_any_text = false;  // "special": false in tokenizer.json
  bool found_last = false;   // "normalized": true there: looked for in what the others leave of a text
  bool operator==(const SpecialToken&) const = default;
};

/// What becomes of special tokens that are written out in a text being encoded.
enum class SpecialTokens {
  as_text,  // they are text like any other: what a user typed cannot end a document
  allow,    // they become their ids, leftmost first and of those the longest; then those that are found last
};

/// How special tokens are decoded.
enum class SpecialText {
  content,  // as they are written, "<|endoftext|>"
  meaning,  // a new paragraph as an empty line, the others as nothing (see document.h)
};

/// Text to token ids and back. Immutable; any number of threads may use one.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  /// "bpe", "char", "byte" or "none": a name of kTokenizerKinds.
  virtual std::string_view type() const = 0;

  /// The number of ids, 0 to vocab_size() - 1: the rows of the embedding.
  virtual std::int64_t vocab_size() const = 0;

  /// The ids of a text. Long texts are encoded by all threads, with the same result.
  /// Throws Error (usage) where the tokenizer has no token for a part of the text (char, none), named by its place in
  /// the user's text, in which `text` begins at byte `offset`.
  std::vector<TokenId> encode(std::string_view text, SpecialTokens special = SpecialTokens::as_text,
                              std::size_t offset = 0) const;

  /// The bytes of the ids; decode(encode(text)) is the text (for none: ids separated by single spaces).
  /// Throws Error (usage) for an id that is not in the vocabulary.
  virtual std::string decode(std::span<const TokenId> ids, SpecialText special = SpecialText::content) const;

  /// The bytes of one token, a special one's content included. Throws Error (usage) for an id that is not there.
  virtual std::string token_bytes(TokenId id) const = 0;

  /// The special tokens, by id.
  const std::vector<SpecialToken>& special_tokens() const { return special_tokens_; }

  /// The id of the special token of that content, where there is one.
  std::optional<TokenId> special(std::string_view content) const;

  /// The special token of that id; null where it is no special one's.
  const SpecialToken* special_by_id(TokenId id) const;

  /// Hugging Face's tokenizer.json, from which read_tokenizer_json makes the same tokenizer.
  virtual Json to_json() const = 0;

 protected:
  explicit Tokenizer(std::vector<SpecialToken> special_tokens);

  /// Appends the ids of a text in which nothing is special; `offset` is where it begins in the user's text.
  virtual void encode_text(std::string_view text, std::size_t offset, std::vector<TokenId>& ids) const = 0;

  /// Throws Error (usage) unless 0 <= id < vocab_size().
  void check_id(TokenId id) const;

 private:
  /// Looks for the special tokens of that round and of those after it, and leaves what lies between to encode_text.
  void encode_round(std::size_t round, std::string_view text, SpecialTokens special, std::size_t offset,
                    std::vector<TokenId>& ids) const;

  std::vector<SpecialToken> special_tokens_;         // by id
  std::array<std::vector<SpecialToken>, 2> rounds_;  // the same, those found last apart: each the longest first
  std::array<bool, 256> may_begin_special_{};        // by first byte
};

/// A tokenizer as the config asks for it: loaded where it has a path (see load_tokenizer), else made from the
/// documents, or from the sizes alone (byte, none). Paths are as given: relative to the current directory.
/// Throws Error (usage, bad_input) that says what the documents or the config lack.
std::unique_ptr<Tokenizer> make_tokenizer(const TokenizerConfig& config, std::span<const std::string_view> documents);

/// One kind of tokenizer: how it is made for a config from documents.
struct TokenizerMaker {
  TokenizerKind kind;
  std::unique_ptr<Tokenizer> (*make)(const TokenizerConfig& config, std::span<const std::string_view> documents);
};

/// All kinds; a new one is a file in text/ and a line in this table.
extern const std::array<TokenizerMaker, kTokenizerKinds.size()> kTokenizers;

/// Special tokens with the ids from `first_id` on. Throws Error (usage) for an empty name or one given twice.
std::vector<SpecialToken> number_special_tokens(std::span<const std::string> contents, TokenId first_id);

}  // namespace kiln
