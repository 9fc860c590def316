// Loads the model in the precision that it computes in.
#include "kiln/serve/served_model.h"

#include "kiln/core/file.h"
#include "kiln/run/manifest.h"
#include "kiln/run/model_chat.h"
#include "kiln/run/run_directory.h"

#include <chrono>
#include <utility>

namespace kiln {
namespace {

LoadedModel load(const ModelChoice& choice) {
  ModelSource source = open_model(choice.run, choice.checkpoint);
  const Precision precision = precision_of(source, choice.precision);
  return load_model(std::move(source), ModelKind::language, precision);
}

std::string fingerprint_of(const std::filesystem::path& folder) {
  return path_exists(folder / kManifestFile) ? hex(hash_file(folder / kManifestFile)) : "";
}

}  // namespace

ServedModel::ServedModel(const ModelChoice& choice)
    : choice_(choice),
      loaded_(load(choice)),
      ids_(loaded_.ids()),
      chat_(chat_template_of(loaded_, choice.chat_template, "--template")),
      name_(model_name(choice.run)),
      step_(step_of_checkpoint(loaded_.source.folder.filename().string())),
      created_(std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch())
                   .count()),
      fingerprint_(fingerprint_of(loaded_.source.folder)) {
  if (choice.checkpoint) name_ += "@" + *choice.checkpoint;
}

}  // namespace kiln
