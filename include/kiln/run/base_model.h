// Finds the model to which a checkpoint's adapters belong.
#pragma once

#include "kiln/nn/lora_config.h"
#include "kiln/run/manifest.h"

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace kiln {

/// The model to which adapters belong, as kiln.json names it.
struct BaseModel {
  std::string path;        // absolute: its folder or file; empty for the initial weights of the run's seed
  std::uint64_t hash = 0;  // of its weight files; 0: not known
};

/// The adapters of a model folder, and where their base is now.
struct AdapterSource {
  LoraConfig lora;
  std::filesystem::path base;  // empty for the initial weights of the run's seed
};

/// Thrown for adapters that are sound and whose base model is not as it was.
class BaseModelError : public Error {
 public:
  /// `adapters` is their folder. `found` says what is wrong with `base`.
  BaseModelError(const std::filesystem::path& adapters, const std::filesystem::path& base, const std::string& found,
                 const std::string& remedy);

  const FileProblem& problem() const { return problem_; }  // its file is the base's path

 private:
  FileProblem problem_;
};

/// Returns a hash of a model's weight files: a folder's, its adapters included, or an llm.c file's. Throws Error (io).
std::uint64_t hash_weights(const std::filesystem::path& model);

/// Returns the first of `places` that is a model with the base's hash. `adapters` is their folder, for messages. Throws
/// BaseModelError (bad_input) if there is none, which says whether a model is missing or has changed.
std::filesystem::path find_base(const std::filesystem::path& adapters, const BaseModel& base,
                                const std::vector<std::filesystem::path>& places);

}  // namespace kiln
