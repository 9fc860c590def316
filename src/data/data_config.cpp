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
  const std::string train_pointer = child_pointer(pointer, "train"), mix_pointer = child_pointer(pointer, "mix");
  if (!names_data() && !problems.has(train_pointer) && !problems.has(mix_pointer)) {
    problems.add(train_pointer, "no text to train on; name a file, folder or glob, as in [\"data/tales.txt\"]");
  }
  if (!train.empty() && !mix.empty()) {
    problems.add(mix_pointer, "data.train is given too; put its files into a source of the mix, or remove one of both");
  }
  for (std::size_t i = 0; i < mix.size(); ++i) {
    const std::string files = child_pointer(child_pointer(mix_pointer, std::to_string(i)), "files");
    if (mix[i].files.empty()) problems.add(files, "the source has no files; name a file, folder or glob");
    check_names(mix[i].files, problems, files);
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
