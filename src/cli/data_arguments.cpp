// Validates options that stand for config keys of section data by the config's own rules.
#include "cli/data_arguments.h"

#include "kiln/core/error.h"

#include "cli/arguments.h"

namespace kiln::cli {

void ReadingArguments::add_to(CLI::App& command) {
  add_repeated(command, "--include", include,
               "names of the files to read from a folder, in place of *.txt and *.jsonl; may be repeated")
      ->type_name("PATTERN");
  command.add_option("--text-field", text_field, "field of a record (.jsonl, .json) that holds the text")
      ->type_name("NAME");
}

void ReadingArguments::apply_to(DataConfig& data) const {
  for (const std::string& pattern : include) {
    check(!pattern.empty() && pattern.find('/') == std::string::npos,
          "--include {}: a pattern of file names without a folder, such as '*.py', is expected", pattern);
  }
  check(!text_field || !text_field->empty(), "--text-field: is empty; a field's name is expected");
  if (!include.empty()) data.include = include;
  if (text_field) data.text_field = *text_field;
}

}  // namespace kiln::cli
