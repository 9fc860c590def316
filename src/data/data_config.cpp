// Validates the data settings.
#include "kiln/data/data_config.h"

namespace kiln {
namespace {

void check_names(const std::vector<std::string>& names, Problems& problems, const std::string& pointer) {
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (names[i].empty())
      problems.add(child_pointer(pointer, std::to_string(i)), "the name is empty; a path is expected");
  }
}

}  // namespace

void DataConfig::validate(Problems& problems, const std::string& pointer) const {
  const std::string train_pointer = child_pointer(pointer, "train");
  if (train.empty() && !problems.has(train_pointer)) {
    problems.add(train_pointer, "no text to train on; name a file, folder or glob, as in [\"data/tales.txt\"]");
  }
  check_names(train, problems, train_pointer);
  check_names(validation, problems, child_pointer(pointer, "validation"));
  const std::string include_pointer = child_pointer(pointer, "include");
  if (include.empty()) problems.add(include_pointer, "names no file; patterns such as [\"*.txt\"] are expected");
  for (std::size_t i = 0; i < include.size(); ++i) {
    if (include[i].empty() || include[i].find('/') != std::string::npos)
      problems.add(child_pointer(include_pointer, std::to_string(i)),
                   "a pattern of file names without a folder, such as \"*.py\", is expected");
  }
  if (text_field.empty()) problems.add(child_pointer(pointer, "text_field"), "is empty; a field's name is expected");
  if (document_separator && document_separator->empty()) {
    problems.add(child_pointer(pointer, "document_separator"), "is empty; a text, or null for none, is expected");
  }
}

}  // namespace kiln
