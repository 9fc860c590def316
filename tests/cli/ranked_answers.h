// A file of answers to rank, and the command that ranks it.
#pragma once

#include "kiln/core/file.h"
#include "kiln/data/judgements.h"

#include <fmt/format.h>

#include "support/process.h"
#include "support/scratch.h"
#include <filesystem>
#include <string>
#include <vector>

namespace kiln::testing {

/// Answers to so many prompts: two each, of the sources x and y.
struct RankedAnswers {
  explicit RankedAnswers(int prompts) {
    std::string lines;
    for (int i = 0; i < prompts; ++i) {
      lines += fmt::format(R"({{"messages":[{{"role":"user","content":"question {0}"}}],"answers":[)"
                           R"({{"text":"good {0}","source":"x"}},{{"text":"bad {0}","source":"y"}}]}})"
                           "\n",
                           i);
    }
    scratch.write("answers.jsonl", lines);
  }

  /// kiln rank, as that rater, and these; with no repetitions unless they say so.
  std::vector<std::string> command(const std::string& rater = "ann",
                                   const std::vector<std::string>& more = {"--repeat", "0"}) const {
    std::vector<std::string> words =
        kiln({"rank", scratch.path("answers.jsonl").string(), "--output", rankings().string(), "--rater", rater});
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }

  Outcome rank(std::string_view script, const std::string& rater = "ann",
               const std::vector<std::string>& more = {"--repeat", "0"}) const {
    return run(command(rater, more), script);
  }

  std::filesystem::path rankings() const { return scratch.path("rankings.jsonl"); }

  JudgedPrompts judged() const {
    const std::filesystem::path file = rankings();
    return read_judgements(std::span(&file, 1));
  }

  Scratch scratch;
};

}  // namespace kiln::testing
