// Updates a run's config with the edits to its config file since the run started.
#pragma once

#include "kiln/core/json.h"
#include "kiln/run/config.h"

#include <string>
#include <vector>

namespace kiln {

/// Sets the other lengths of a run (train.steps, epochs, time_budget) to null if `pointer` names one of them: a run has
/// one length, and the last one given counts.
void displace_other_lengths(Json& document, const std::string& pointer);

/// Applies to `document`, the config of a run, the changes to a config file: each key whose value differs between
/// `then` and `now`. A key removed from the file returns to its default. Keys that did not change in the file keep the
/// run's values, including those from --set.
void apply_changes(const Json& then, const Json& now, Json& document);

/// Returns the keys in `file` whose values differ in `run`, with the file's value as `before` and the run's as `after`.
/// Equivalent values ("10m" and 600 seconds) do not differ.
std::vector<Difference> differing_keys(const Json& file, const Json& run);

}  // namespace kiln
