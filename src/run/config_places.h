// Keeps the places in which a run found the files that its config names by relative paths.
#pragma once

#include "kiln/core/json.h"
#include "kiln/run/config.h"

#include <filesystem>
#include <optional>

namespace kiln {

/// Sets the directory and bases of a config from JSON of places_to_json; files of older versions may lack them.
void read_places(const Json& json, Config& config);

/// Returns a config without fields that has the places of a run: as in its newest readable checkpoint, or else as the
/// run noted them at its start. nullopt if it has neither.
std::optional<Config> places_of_run(const std::filesystem::path& run);

}  // namespace kiln
