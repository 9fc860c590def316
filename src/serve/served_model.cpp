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

Precision precision_of(const ModelChoice& choice, const LoadedModel& loaded) {
  if (choice.precision) return resolved(*choice.precision);
  return loaded.source.config ? resolved(loaded.source.config->train.precision) : Precision::fp32;
}

std::unique_ptr<ModelWeights> weights_of(LoadedModel& loaded, Precision precision) {
  auto weights = std::make_unique<ModelWeights>(std::move(loaded.weights), precision);
  weights->keep_only_what_is_read();
  return weights;
}

/// Returns the name of the folder that a person named: "tales" for runs/tales and for a checkpoint of it that kiln
/// chose, "tales/step-00000100" for a checkpoint that the person chose.
std::string name_of_model(const std::string& run) {
  std::string name = RunPaths{run}.name();
  if (!step_of_checkpoint(name)) return name;
  const std::filesystem::path folder = std::filesystem::weakly_canonical(run).parent_path().parent_path();
  return RunPaths{folder}.name() + "/" + name;
}

std::string fingerprint_of(const std::filesystem::path& folder) {
  return path_exists(folder / kManifestFile) ? hex(hash_file(folder / kManifestFile)) : "";
}

}  // namespace

ServedModel::ServedModel(const ModelChoice& choice)
    : choice_(choice),
      loaded_(load_model(choice.run, choice.checkpoint)),
      weights_(weights_of(loaded_, precision_of(choice, loaded_))),
      ids_(loaded_.ids()),
      chat_(chat_template_of(loaded_, choice.chat_template, "--template")),
      name_(name_of_model(choice.run)),
      step_(step_of_checkpoint(loaded_.source.folder.filename().string())),
      created_(std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch())
                   .count()),
      fingerprint_(fingerprint_of(loaded_.source.folder)) {
  if (choice.checkpoint) name_ += "@" + *choice.checkpoint;
}

}  // namespace kiln
