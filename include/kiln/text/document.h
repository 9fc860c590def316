// The special tokens that have a role in documents, and how they are inserted.
#pragma once

#include "kiln/text/special_ids.h"
#include "kiln/text/tokenizer.h"

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace kiln {

// The first two are the usual names of the tokens around a document (special_ids.h has the rule). A tokenizer that has
// one of the other two gets it inserted by encode_document.
inline constexpr std::string_view kStart = "<|start|>";                  // before each document
inline constexpr std::string_view kEndOfText = "<|endoftext|>";          // after each document
inline constexpr std::string_view kEndOfSentence = "<|endofsentence|>";  // after . ! or ? before white space or the end
inline constexpr std::string_view kParagraph = "<|paragraph|>";          // in the place of two line ends in a row

/// Returns what a special token stands for in readable text: kParagraph for two line feeds, every other for nothing.
std::string_view special_meaning(std::string_view content);

/// Returns the ids of a document or prompt between its marks, with kEndOfSentence and kParagraph inserted. Special
/// tokens written in the text itself stay text. Decoding by the meaning gives the text back, but for the line ends that
/// a kParagraph replaces: they may be LF or CRLF and come back as LF, so that both kinds of text have the same special
/// tokens. `after` is how the document goes on behind the text, where a cut has split it: a sentence that reaches the
/// cut ends there only if white space follows. Throws as Tokenizer::encode does.
std::vector<TokenId> encode_document(const Tokenizer& tokenizer, std::string_view text, const DocumentMarks& marks,
                                     std::string_view after = {});

/// Returns for each id the number of bytes of text that it stands for: of a special token those of its meaning. Empty
/// for a tokenizer whose ids stand for no text ("none").
std::vector<std::uint32_t> text_bytes_by_token(const Tokenizer& tokenizer);

/// The token of a line feed and nothing else, which in text without special tokens most beginnings follow.
std::optional<TokenId> line_feed(const Tokenizer& tokenizer);

}  // namespace kiln
