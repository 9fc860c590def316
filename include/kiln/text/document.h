// The special tokens that have a role in documents, and how they are inserted.
#pragma once

#include "kiln/text/tokenizer.h"

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace kiln {

// A tokenizer that has a special token of one of these names gets it inserted by encode_document; a special token of
// any other name is never inserted, only found in text where special tokens are allowed there.
inline constexpr std::string_view kStart = "<|start|>";                  // before each document
inline constexpr std::string_view kEndOfText = "<|endoftext|>";          // after each document
inline constexpr std::string_view kEndOfSentence = "<|endofsentence|>";  // after . ! or ? before white space or the end
inline constexpr std::string_view kParagraph = "<|paragraph|>";          // in the place of two line feeds in a row

/// What a special token stands for in readable text: kParagraph for "\n\n", every other for nothing.
std::string_view special_meaning(std::string_view content);

/// Whether encode_document ends a document with the end-of-text token, where the tokenizer has one.
enum class DocumentEnd { open, end_of_text };

/// The ids of a document (or, left open, of a prompt) with the special tokens inserted whose roles are above. Special
/// tokens written in the text itself stay text. Decoding them by their meaning gives the text back.
/// Throws as Tokenizer::encode does.
std::vector<TokenId> encode_document(const Tokenizer& tokenizer, std::string_view text, DocumentEnd end);

/// Returns for each id the number of bytes of text that it stands for: of a special token those of its meaning. Empty
/// for a tokenizer whose ids stand for no text ("none").
std::vector<std::uint32_t> text_bytes_by_token(const Tokenizer& tokenizer);

/// The token of a line feed and nothing else, which in text without special tokens most beginnings follow.
std::optional<TokenId> line_feed(const Tokenizer& tokenizer);

}  // namespace kiln
