// Encodes documents and inserts the special tokens that mark their structure.
#pragma once

#include "kiln/text/special_ids.h"
#include "kiln/text/tokenizer.h"

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace kiln {

// The first two are the usual names of the tokens around a document (special_ids.h has the rule). encode_document
// inserts the other two if the tokenizer has them.
inline constexpr std::string_view kStart = "<|start|>";                  // before each document
inline constexpr std::string_view kEndOfText = "<|endoftext|>";          // after each document
inline constexpr std::string_view kEndOfSentence = "<|endofsentence|>";  // after . ! or ? before white space or the end
inline constexpr std::string_view kParagraph = "<|paragraph|>";          // replaces two line ends in a row

/// Returns a special token's meaning in readable text: two line feeds for kParagraph, nothing for every other.
std::string_view special_meaning(std::string_view content);

/// Returns the ids of a document or prompt between its marks, with kEndOfSentence and kParagraph inserted. Special
/// tokens written in the text itself stay text. Decoding by the meaning restores the text, except that the line ends of
/// a kParagraph, LF or CRLF, become LF. `after` is the document's continuation if `text` was cut from it: a sentence
/// that reaches the cut ends there only if white space follows. Throws as Tokenizer::encode does.
std::vector<TokenId> encode_document(const Tokenizer& tokenizer, std::string_view text, const DocumentMarks& marks,
                                     std::string_view after = {});

/// Returns for each id the number of bytes of text it decodes to; for a special token, those of its meaning. Empty for
/// a tokenizer whose ids encode no text ("none").
std::vector<std::uint32_t> text_bytes_by_token(const Tokenizer& tokenizer);

/// Returns the token of a single line feed, which precedes most beginnings in text without special tokens.
std::optional<TokenId> line_feed(const Tokenizer& tokenizer);

}  // namespace kiln
