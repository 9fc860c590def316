// Reads the fields that several requests have in common. All functions throw ApiError (400).
#pragma once

#include "kiln/text/chat_template.h"
#include "kiln/text/token.h"

#include "serve/request_fields.h"
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace kiln {

/// Returns the name of an array's item, such as "messages[2]".
std::string item(const std::string& array, std::size_t index);

/// Refuses any value of a field but "text".
void require_text(RequestFields& fields, std::string_view name);

/// Refuses tools that a request or a message brings. What is empty, as clients send it, is accepted.
void refuse_tools(RequestFields& fields, std::initializer_list<std::string_view> lists);

/// Reads the field "messages", at least one. The texts of a message's parts are joined by line feeds.
std::vector<ChatMessage> read_messages(RequestFields& fields);

/// Reads an array of token ids, at least one; they are only known to be 0 or more.
std::vector<TokenId> read_tokens(const std::string& field, const Json& ids);

/// Reads the field "seed": any integer; a negative one is as it is in two's complement.
std::optional<std::uint64_t> read_seed(RequestFields& fields);

}  // namespace kiln
