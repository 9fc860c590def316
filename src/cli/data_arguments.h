// Declares --include and --text-field: how a command reads its text.
#pragma once

#include "kiln/data/data_config.h"

#include <CLI/CLI.hpp>

#include <optional>
#include <string>
#include <vector>

namespace kiln::cli {

struct ReadingArguments {
  std::vector<std::string> include;
  std::optional<std::string> text_field;

  void add_to(CLI::App& command);

  /// Sets the fields of `data` whose options were given. Throws Error (usage) for a value that data.include or
  /// data.text_field may not have.
  void apply_to(DataConfig& data) const;
};

}  // namespace kiln::cli
