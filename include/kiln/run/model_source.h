// Finds the folder or file of a model (RUN), and reads its description.
#pragma once

#include "kiln/run/checkpoint.h"

#include <filesystem>
#include <optional>
#include <string>

namespace kiln {

/// A model folder, or an llm.c model file, and its description. Adapters are a model too: their base with A B added.
struct ModelSource {
  std::filesystem::path folder;  // or the file
  ModelConfig model;             // resolved; without adapters; with the head that the folder's files name
  Index vocab_size = 0;
  std::optional<Config> config;                         // of the run, if the folder is a kiln checkpoint
  NamedTokens named;                                    // from the folder
  std::optional<AdapterSource> adapter = std::nullopt;  // if the folder holds adapters alone
  RewardScale rewards = {};                             // of a reward model

  bool is_file() const;        // an llm.c file, which has no tokenizer
  bool has_ids_alone() const;  // such a file, or adapters of one without a tokenizer: the tokenizer is `none`

  /// Returns the folder with the model's tokenizer and chat template, or the llm.c file: that of the base if adapters
  /// come without one.
  std::filesystem::path text_folder() const;
};

/// Returns the folder that `argument` means: in a run directory its best checkpoint, or else the latest, or that of
/// `choice` ("latest", "best" or a step); a checkpoint folder or Hugging Face model folder itself. Throws Error (usage)
/// that says what is expected, or which file the folder lacks.
std::filesystem::path find_model_folder(const std::filesystem::path& argument,
                                        const std::optional<std::string>& choice = std::nullopt);

/// Returns the name of the model at `argument`: that of its folder, such as "tales" for runs/tales; for a checkpoint,
/// "tales/step-00000100".
std::string model_name(const std::filesystem::path& argument);

/// Whether every file of a checkpoint is hashed when it is opened, or only its config is read.
enum class Verify { no, yes };

/// The kinds of models that a caller can use.
enum class ModelKind { language, reward, either };

/// Throws Error (usage) unless the model is of the kind; the message says what it is and what to do.
void require_kind(const ModelSource& source, ModelKind kind);

/// Finds the folder, verifies it if it is a checkpoint, and reads its config, or the header of an llm.c file.
/// load_model reads the weights. Throws Error (usage, bad_input).
ModelSource open_model(const std::filesystem::path& argument, const std::optional<std::string>& choice = std::nullopt,
                       Verify verify = Verify::yes);

}  // namespace kiln
