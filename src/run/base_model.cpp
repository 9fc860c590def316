// Recognises a base model by a hash of its weights.
#include "kiln/run/base_model.h"

#include "kiln/core/error.h"
#include "kiln/core/file.h"
#include "kiln/core/hash.h"
#include "kiln/interop/peft.h"

#include <fmt/format.h>

#include <optional>

namespace kiln {

BaseModelError::BaseModelError(const std::filesystem::path& adapters, const std::filesystem::path& base,
                               const std::string& found, const std::string& remedy)
    : Error(ExitCode::bad_input, printable(fmt::format("{}: holds adapters, which need their base model; {} {}; {}",
                                                       adapters.string(), base.string(), found, remedy))),
      problem_{base.string(), found, "the adapters need it as it was", remedy} {}

std::uint64_t hash_weights(const std::filesystem::path& model) {
  if (!is_folder(model)) return hash_file(model);
  std::string digests;  // list_folder sorts by name
  for (const std::filesystem::path& file : list_folder(model)) {
    const std::string name = file.filename().string();
    const bool is_weights = name.starts_with("model") || name == kAdapterWeightsFile;
    if (is_weights && file.extension() == ".safetensors") digests += hex(hash_file(file));
  }
  return hash_bytes(digests);
}

std::filesystem::path find_base(const std::filesystem::path& adapters, const BaseModel& base,
                                const std::vector<std::filesystem::path>& places) {
  std::optional<BaseModelError> changed;
  for (const std::filesystem::path& place : places) {
    if (!path_exists(place)) continue;
    const std::uint64_t hash = hash_weights(place);
    if (base.hash == 0 || hash == base.hash) return place;
    changed.emplace(adapters, place,
                    fmt::format("has other weights now (hash {}, and {} when the adapters were trained)", hex(hash),
                                hex(base.hash)),
                    "put the model back that was there, or train the adapters again");
  }
  if (changed) throw *changed;
  throw BaseModelError(adapters, base.path, "does not exist", "put it back, or leave a link to it there");
}

}  // namespace kiln
