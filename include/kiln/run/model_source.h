// From what a user calls a model (RUN) to the folder that holds it.
#pragma once

#include "kiln/run/checkpoint.h"

#include <filesystem>
#include <optional>
#include <string>

namespace kiln {

/// A model folder, or a model file of llm.c, and what it says about itself.
struct ModelSource {
  std::filesystem::path folder;  // or the file
  ModelConfig model;             // resolved
  Index vocab_size = 0;
  std::optional<Config> config;  // of the run, where the folder is a checkpoint of kiln's
  NamedTokens named;             // of the folder

  bool is_file() const;  // llm.c's, which has no tokenizer
};

/// The folder meant by `argument`: a run directory (its best checkpoint where there is one, else the latest; or the one
/// that `choice` says: "latest", "best" or a step), a checkpoint folder, or a Hugging Face model folder.
/// Throws Error (usage) that says what was looked for.
std::filesystem::path find_model_folder(const std::filesystem::path& argument,
                                        const std::optional<std::string>& choice = std::nullopt);

/// Finds the folder, verifies it where it is a checkpoint, and reads its config; or the header of llm.c's file. The
/// weights are load_model's. Throws Error (usage, bad_input).
ModelSource open_model(const std::filesystem::path& argument, const std::optional<std::string>& choice = std::nullopt);

}  // namespace kiln
