// Writes the heads and chunks of HTTP replies, and reads the targets of requests.
#pragma once

#include "kiln/serve/http_server.h"

#include <cstddef>
#include <ctime>
#include <optional>
#include <string>
#include <string_view>

namespace kiln {

/// How a reply is written, which depends on its request.
struct ReplyForm {
  bool is_head = false;      // the request was HEAD: no body
  bool is_http_1_0 = false;  // no chunks: a stream ends where the connection does
  bool keeps_alive = false;  // the connection serves another request afterwards
};

/// Returns whether a reply of this status and form has a body.
bool has_body(int status, const ReplyForm& form);

/// Returns whether a stream of this status and form is written in chunks.
bool is_chunked(int status, const ReplyForm& form);

/// Returns the status line and the headers of a reply, up to and with the empty line. `length` is the body's; nullopt
/// for a stream. Control characters in headers become spaces, so that no value begins another header.
std::string head_of(const HttpReply& reply, const ReplyForm& form, std::optional<std::size_t> length);

/// Appends a piece of a stream as one chunk. Appends nothing for an empty piece, which would end the stream.
void append_chunk(std::string& text, std::string_view piece);

/// Returns a time as the header Date has it, such as "Sun, 06 Nov 1994 08:49:37 GMT".
std::string http_date(std::time_t time);

/// Returns `text` with each %XX replaced by its byte, or nullopt for a '%' without two hexadecimal digits, or for %00.
std::optional<std::string> percent_decoded(std::string_view text);

/// Returns whether two texts are the same but for the case of ASCII letters.
bool equal_but_for_case(std::string_view a, std::string_view b);

/// Returns the text with ASCII letters in lower case.
std::string in_lower_case(std::string_view text);

}  // namespace kiln
