// Defines the tokenizers' interface and the table of their kinds.
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

/// A token that is never the result of a merge. tokenizer.json has special tokens and other added tokens; the latter
/// are found in any text.
struct SpecialToken {
  std::string content;
  TokenId id;
  bool in_any_text = false;  // "special": false in tokenizer.json
  bool normalized = false;   // as in tokenizer.json: found only in the text between the others
  bool operator==(const SpecialToken&) const = default;
};

/// How to encode special tokens that are spelled out in a text.
enum class SpecialTokens {
  as_text,  // as ordinary text: what a user typed cannot end a document
  allow,    // as their ids: leftmost first, then the longest; the normalized ones in a second pass
};

/// How to decode special tokens.
enum class SpecialText {
  content,  // as spelled, "<|endoftext|>"
  meaning,  // kParagraph as an empty line, the others as nothing (see document.h)
};

/// Converts text to token ids and back. Immutable; any number of threads may use one.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  /// Returns "bpe", "char", "byte" or "none": a name of kTokenizerKinds.
  virtual std::string_view type() const = 0;

  /// Returns the number of ids, 0 to vocab_size() - 1: the rows of the embedding.
  virtual std::int64_t vocab_size() const = 0;

  /// Returns the ids of a text. Encodes long texts on all threads, with the same result. Throws Error (usage) if the
  /// tokenizer has no token for a part of the text (char, none), with its offset in the user's text, in which `text`
  /// begins at byte `offset`.
  std::vector<TokenId> encode(std::string_view text, SpecialTokens special = SpecialTokens::as_text,
                              std::size_t offset = 0) const;

  /// Returns the bytes of the ids; decode(encode(text)) is the text (for none: ids separated by single spaces). Throws
  /// Error (usage) for an id that is not in the vocabulary.
  virtual std::string decode(std::span<const TokenId> ids, SpecialText special = SpecialText::content) const;

  /// Returns the bytes of one token; of a special token, its content. Throws Error (usage) for an unknown id.
  virtual std::string token_bytes(TokenId id) const = 0;

  /// The special tokens, sorted by id.
  const std::vector<SpecialToken>& special_tokens() const { return special_tokens_; }

  /// Returns the id of the special token with that content; nullopt if there is none.
  std::optional<TokenId> special(std::string_view content) const;

  /// Returns the special token with that id; null if the id is not a special token's.
  const SpecialToken* special_by_id(TokenId id) const;

  /// Returns Hugging Face's tokenizer.json, from which read_tokenizer_json makes the same tokenizer.
  virtual Json to_json() const = 0;

 protected:
  explicit Tokenizer(std::vector<SpecialToken> special_tokens);

  /// Appends the ids of a text without special tokens; it begins at byte `offset` of the user's text.
  virtual void encode_text(std::string_view text, std::size_t offset, std::vector<TokenId>& ids) const = 0;

  /// Throws Error (usage) unless 0 <= id < vocab_size().
  void check_id(TokenId id) const;

 private:
  /// Finds the special tokens of this round and the later ones; encodes the text between them with encode_text.
  void encode_round(std::size_t round, std::string_view text, SpecialTokens special, std::size_t offset,
                    std::vector<TokenId>& ids) const;

  std::vector<SpecialToken> special_tokens_;         // by id
  std::array<std::vector<SpecialToken>, 2> rounds_;  // the normalized ones in the second; each longest first
  std::array<bool, 256> may_begin_special_{};        // by first byte
};

/// Makes the tokenizer that the config describes: loads it if the config has a path (see load_tokenizer), or else
/// builds it from the documents or from the sizes alone (byte, none). Relative paths are relative to the current
/// directory. Throws Error (usage, bad_input) that says what the documents or the config lack.
std::unique_ptr<Tokenizer> make_tokenizer(const TokenizerConfig& config, std::span<const std::string_view> documents);

/// A kind of tokenizer and the function that makes one.
struct TokenizerMaker {
  TokenizerKind kind;
  std::unique_ptr<Tokenizer> (*make)(const TokenizerConfig& config, std::span<const std::string_view> documents);
};

/// All kinds. A new kind is a file in text/ and a line in this table.
extern const std::array<TokenizerMaker, kTokenizerKinds.size()> kTokenizers;

/// Assigns ids from `first_id` on. Throws Error (usage) for an empty or a duplicate name.
std::vector<SpecialToken> number_special_tokens(std::span<const std::string> contents, TokenId first_id);

}  // namespace kiln
