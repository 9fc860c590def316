// Turns one JSON record into the prompts, answers and judgements that it holds, whatever its shape.
#pragma once

#include "kiln/data/judgements.h"

#include "data/json_lines.h"
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace kiln {

/// A rater's judgement of one showing of a prompt: a later line with the same key replaces it or takes it back.
struct JudgementKey {
  std::string rater, item;
  std::int64_t pass = 0;
  bool operator<(const JudgementKey& other) const {
    return std::tie(rater, item, pass) < std::tie(other.rater, other.item, other.pass);
  }
};

/// What a record holds.
struct JudgementRecord {
  std::vector<JudgedPrompt> prompts = {};
  std::vector<JudgementSkip> skipped = {};
  std::optional<JudgementKey> key = {};  // of a line of kiln rank
  bool is_undo = false, is_skip = false;
};

/// Throws Error (bad_input) for a record of no known shape, with the key of a value that does not fit.
JudgementRecord judgements_of(const JsonRecord& record, const std::string& place);

/// Returns whether two answers are the same for a model.
bool is_same_answer(std::string_view a, std::string_view b);

}  // namespace kiln
