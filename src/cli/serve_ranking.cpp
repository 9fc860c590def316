// Checks the files before the server starts, so that no rater meets their mistakes.
#include "cli/serve_ranking.h"

#include "kiln/core/error.h"
#include "kiln/core/format.h"
#include "kiln/core/utf8.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <vector>

namespace kiln::cli {
namespace {

/// Returns the name under which the owner of the server ranks.
std::string owner_of(const RankArguments& arguments) {
  const char* user = std::getenv("USER");
  const bool has_user = user != nullptr && *user != '\0';
  std::string owner = arguments.rater.value_or(has_user ? user : "owner");
  check(!owner.empty() && utf8_valid_until(owner) == owner.size(),
        "--rater: name the person who ranks without a link for raters, such as --rater ann");
  return owner;
}

}  // namespace

void add_serve_ranking(CLI::App& command, RankArguments& arguments) {
  arguments.output_option = "--rankings";
  CLI::Option* const rank =
      command.add_option("--rank", arguments.file, "answers that people rank on the page \"Rank\"")->type_name("FILE");
  command.add_option("--rankings", arguments.output, "file to which their judgements are added; as kiln rank --output")
      ->type_name("FILE");
  add_ranking_options(command, arguments);
  for (const char* option : {"--rankings", "--rater", "--seed", "--repeat"}) command.get_option(option)->needs(rank);
}

std::optional<RankingOptions> ranking_options(const RankArguments& arguments) {
  if (arguments.file.empty()) return std::nullopt;
  RankingOptions options{.prompts = read_file_of_answers(arguments.file, SamePrompt::keep).prompts,
                         .owner = owner_of(arguments),
                         .seed = arguments.seed,
                         .repeat = arguments.repeat};
  const std::vector<Showing> showings = showings_to_rank(options.prompts, arguments, options.owner);
  options.file = *arguments.output;
  check(options.file.extension() == ".jsonl",
        "--rankings {}: give the file a name that ends in .jsonl, as reports need", *arguments.output);
  const RankingLog checked(options.file, options.owner);
  spdlog::info("{}: {} to rank, at /rank", arguments.file,
               counted(std::ranges::count(showings, 0, &Showing::pass), "prompt"));
  return options;
}

}  // namespace kiln::cli
