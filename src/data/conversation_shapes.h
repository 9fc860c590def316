// Turns one JSON record into the conversations that it holds, whatever its shape.
#pragma once

#include "kiln/data/conversation.h"

#include "data/json_lines.h"
#include <string>
#include <vector>

namespace kiln {

/// Returns a record's conversations, at least one; some may have no answer. `place` names the record in messages.
/// Throws Error (bad_input) for a record of no known shape, with the key of a value that does not fit.
std::vector<Conversation> conversations_of(const JsonRecord& record, const std::string& place);

/// Returns true if the record is of the shape of a conversation, but not of a document.
bool has_roles(const JsonRecord& record);

}  // namespace kiln
