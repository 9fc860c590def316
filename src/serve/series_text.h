// Writes curves of several runs as JSON and as CSV.
#pragma once

#include "serve/run_catalog.h"
#include "serve/series.h"
#include <string>
#include <vector>

namespace kiln {

/// Which curves are asked for.
struct SeriesRequest {
  std::vector<std::string> runs;
  std::vector<std::string> keys;
  RunAxis axis = RunAxis::step;
  SeriesRange range = {};
};

/// Return {"runs": [{"name", "rows", "range", "keys"}], "series": [{"run", "key", "x", "y", "mean_x", "mean"}]}: each
/// run with the keys that it has and the whole range of its axis, and each curve that is not empty, see Series. And a
/// table (RFC 4180) of all rows within the range that have a value of one of the keys, with the columns run, step,
/// tokens, seconds, and the keys. Throw ApiError (404) for a run that is not there.
std::string series_json(RunCatalog& runs, const SeriesRequest& request);
std::string series_csv(RunCatalog& runs, const SeriesRequest& request);

}  // namespace kiln
