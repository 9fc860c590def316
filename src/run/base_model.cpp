// Recognises a base model by a hash of its weights.
#include "kiln/run/base_model.h"

#include "kiln/core/error.h"
#include "kiln/core/file.h"
#include "kiln/core/hash.h"
#include "kiln/interop/peft.h"

#include <fmt/format.h>

namespace kiln {

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
  std::string changed;
  for (const std::filesystem::path& place : places) {
    if (!path_exists(place)) continue;
    const std::uint64_t hash = hash_weights(place);
    if (base.hash == 0 || hash == base.hash) return place;
    changed = fmt::format("{} has other weights now (hash {}, and {} when the adapters were trained)", place.string(),
                          hex(hash), hex(base.hash));
  }
  fail(ExitCode::bad_input, "{}: holds adapters, which need their base model; {}; put the base model back",
       adapters.string(), changed.empty() ? fmt::format("{} does not exist", base.path) : changed);
}

}  // namespace kiln
