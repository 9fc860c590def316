// Keeps of the weights only the copy that the model reads.
#include "kiln/serve/served_model.h"

#include "kiln/core/file.h"
#include "kiln/run/manifest.h"
#include "kiln/run/model_chat.h"
#include "kiln/run/run_directory.h"

#include <chrono>
#include <utility>

namespace kiln {
namespace {

std::unique_ptr<ModelWeights> weights_of(LoadedModel& loaded, Precision precision) {
  auto weights = std::make_unique<ModelWeights>(std::move(loaded.weights), precision);
  weights->keep_only_what_is_read();
  return weights;
}

std::string fingerprint_of(const std::filesystem::path& folder) {
  return path_exists(folder / kManifestFile) ? hex(hash_file(folder / kManifestFile)) : "";
}

}  // namespace

ServedModel::ServedModel(const ModelChoice& choice)
    : choice_(choice),
      loaded_(load_model(choice.run, choice.checkpoint)),
      weights_(weights_of(loaded_, loaded_.precision(choice.precision))),
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
