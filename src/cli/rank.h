// Lets a person or a rule rank answers, for kiln rank, kiln compare and kiln serve.
#pragma once

#include "kiln/data/judgements.h"
#include "kiln/data/rankings.h"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace kiln::cli {

struct RankArguments {
  std::string file;                   // of answers, for messages
  std::optional<std::string> output;  // file of rankings
  std::string output_option = "--output";
  std::optional<std::string> rater;
  std::uint64_t seed = 1;
  std::optional<std::string> rule;
  double repeat = 0.1;
  bool report = false;
  bool json = false;
};

/// Reads judged answers. Throws as read_judgements does.
JudgedPrompts read_file_of_answers(const std::string& file, SamePrompt same);

/// Checks what is to be ranked and where the judgements go. Returns what a rater is shown; warns about prompts that are
/// not. Throws Error (usage).
std::vector<Showing> showings_to_rank(std::span<const JudgedPrompt> prompts, const RankArguments& arguments,
                                      const std::string& rater);

/// Adds --rater, --seed and --repeat.
void add_ranking_options(CLI::App& command, RankArguments& arguments);

/// Returns true if a person ranks, at a terminal, rather than a script.
bool is_person();

/// Shows the prompts with their answers in the terminal, or lets the rule judge them, and appends the judgements to the
/// output. Throws Error (usage, bad_input, io).
void rank(std::span<const JudgedPrompt> prompts, const RankArguments& arguments);

/// Prints what a file of judged answers says.
void report_rankings(const std::string& file, bool json);

}  // namespace kiln::cli
