// What becomes of a run's config when the file that it was started with has been edited since.
#pragma once

#include "kiln/core/json.h"
#include "kiln/run/config.h"

#include <string>
#include <vector>

namespace kiln {

/// Sets the other lengths of a run (train.steps, epochs, time_budget) to null where `pointer` names one of them: a run
/// has one length, and the one that is given last counts.
void displace_other_lengths(Json& document, const std::string& pointer);

/// Puts into `document`, the config of a run, what a config file has changed since: each key whose value in `now`
/// differs from that in `then`. A key that the file has no more goes back to its default. Keys that the file has not
/// changed stay as the run has them, those among them that it got by --set.
void apply_changes(const Json& then, const Json& now, Json& document);

/// Returns the keys that `file` gives and `run` has otherwise, with the file's value as `before` and the run's as
/// `after`. Values that say the same ("10m" and 600 seconds) do not differ.
std::vector<Difference> differing_keys(const Json& file, const Json& run);

}  // namespace kiln
