// Lets a person or a rule rank answers, for kiln rank and kiln compare.
#pragma once

#include "kiln/data/judgements.h"

#include <cstdint>
#include <optional>
#include <span>
#include <string>

namespace kiln::cli {

struct RankArguments {
  std::string file;                   // of answers, for messages
  std::optional<std::string> output;  // file of rankings
  std::optional<std::string> rater;
  std::uint64_t seed = 1;
  std::optional<std::string> rule;
  double repeat = 0.1;
  bool report = false;
  bool json = false;
};

/// Returns true if a person ranks, at a terminal, rather than a script.
bool is_person();

/// Shows the prompts with their answers in the terminal, or lets the rule judge them, and appends the judgements to the
/// output. Throws Error (usage, bad_input, io).
void rank(std::span<const JudgedPrompt> prompts, const RankArguments& arguments);

/// Prints what a file of judged answers says.
void report_rankings(const std::string& file, bool json);

}  // namespace kiln::cli
