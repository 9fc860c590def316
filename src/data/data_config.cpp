// Checks of the data's settings.
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
  if (document_separator && document_separator->empty()) {
    problems.add(child_pointer(pointer, "document_separator"), "is empty; a text, or null for none, is expected");
  }
}

}  // namespace kiln
