// Knows the runs in a folder: what they are, how far they are, and the curves of their metrics.
#pragma once

#include "kiln/core/json.h"

#include <nlohmann/json.hpp>

#include "serve/growing_file.h"
#include "serve/metric_columns.h"
#include "serve/sample_log.h"
#include "serve/series.h"
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace kiln {

/// A run as the list shows it.
struct RunFacts {
  std::string name;
  double step = 0, tokens = 0, seconds = 0;              // of the last row
  std::vector<std::pair<std::string, float>> last = {};  // the latest value of each metric
  std::optional<std::int64_t> total_steps;               // that the config names
  std::string objective = {};                            // "" without a config that can be read
  Json config = {};                                      // the keys that are not the defaults; null without a config
  std::int64_t changed = 0;                              // last change of the metrics, in seconds since 1970
  std::uint64_t version = 0;                             // another number after each change of the metrics
  bool is_training = false;                              // a process holds the run's lock
  std::vector<std::string> problems = {};
};

/// The runs of one folder. Names are keys of a table that is made by listing the folder, so that no name leads
/// elsewhere; links that lead out of the folder are left out. Reads of a file only what it did not hold before, and
/// keeps the columns of the runs used last, as far as they fit into the memory allowed. For one thread at a time.
class RunCatalog {
 public:
  /// `folder` is a folder with run directories, or one of them. `most_bytes` is the memory for columns, which one run
  /// alone may exceed.
  explicit RunCatalog(std::filesystem::path folder, std::size_t most_bytes = std::size_t{1} << 30);
  ~RunCatalog();

  /// Lists the folder again. Returns the runs by name. Throws Error (io).
  std::vector<RunFacts> list();

  /// Returns the columns of a run as they are now, until the next call. All that follow throw ApiError (404) for a run
  /// that is not there.
  const MetricColumns& columns(std::string_view name);

  /// Returns what its log holds of samples.
  const SampleLog& samples(std::string_view name);

  /// Returns the folder of a run.
  std::filesystem::path folder(std::string_view name);

  /// Returns the memory that columns take now.
  std::size_t bytes() const;

 private:
  struct Run;

  void refresh();
  Run& find(std::string_view name);
  void free_for(const Run& used);

  std::filesystem::path folder_;
  std::size_t most_bytes_;
  std::map<std::string, std::unique_ptr<Run>, std::less<>> runs_;
  std::uint64_t uses_ = 0;
};

}  // namespace kiln
