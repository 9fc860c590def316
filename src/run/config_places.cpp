// Finds the files that a config names, and keeps the places in which a run found them.
#include "run/config_places.h"

#include "kiln/core/error.h"
#include "kiln/core/file.h"
#include "kiln/run/checkpoint_store.h"
#include "kiln/run/manifest.h"
#include "kiln/run/run_directory.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <glob.h>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace kiln {
namespace {

namespace fs = std::filesystem;

bool something_is_at(const std::string& pattern) {
  std::error_code ignored;
  if (std::filesystem::exists(pattern, ignored)) return true;
  glob_t found{};
  const bool any = ::glob(pattern.c_str(), GLOB_NOSORT, nullptr, &found) == 0;
  ::globfree(&found);
  return any;
}

std::vector<std::string> relative_paths(const Config& config) {
  std::vector<std::string> paths = config.data.train;
  for (const DataSource& source : config.data.mix) paths.insert(paths.end(), source.files.begin(), source.files.end());
  paths.insert(paths.end(), config.data.validation.begin(), config.data.validation.end());
  if (config.tokenizer.path) paths.push_back(*config.tokenizer.path);
  if (config.init_from) paths.push_back(*config.init_from);
  if (config.objective.reference) paths.push_back(*config.objective.reference);
  for (const auto* rewards : {&config.policy.rewards, &config.policy.gold}) {
    for (const RewardConfig& reward : *rewards) {
      if (reward.path) paths.push_back(*reward.path);
    }
  }
  std::erase_if(paths, [](const std::string& path) { return std::filesystem::path(path).is_absolute(); });
  return paths;
}

/// Returns a path that does not depend on the working directory. That of a run may be removed while it is not needed.
std::string absolute_text(const fs::path& path) {
  std::error_code gone;
  return (fs::current_path(gone) / path).lexically_normal().string();
}

}  // namespace

std::vector<fs::path> Config::places() const { return bases.empty() ? std::vector<fs::path>{"", directory} : bases; }

fs::path Config::locate(const std::string& path) const {
  for (const fs::path& base : places()) {
    if (something_is_at(base / path)) return base / path;
  }
  return path;
}

DataConfig Config::located_data() const {
  DataConfig located = data;
  const auto locate_all = [&](std::vector<std::string>& paths) {
    for (std::string& path : paths) path = locate(path).string();
  };
  locate_all(located.train);
  locate_all(located.validation);
  for (DataSource& source : located.mix) locate_all(source.files);
  return located;
}

void Config::settle_bases() {
  const std::vector<std::string> paths = relative_paths(*this);
  std::vector<fs::path> settled;
  for (const fs::path& base : places()) {
    const auto holds = [&](const std::string& path) { return something_is_at(base / path); };
    const fs::path absolute = absolute_text(base / "");
    const bool is_new = std::ranges::find(settled, absolute) == settled.end();
    if (is_new && std::ranges::any_of(paths, holds)) settled.push_back(absolute);
  }
  if (!settled.empty()) bases = std::move(settled);
}

TokenizerConfig Config::located_tokenizer() const {
  TokenizerConfig located = tokenizer;
  if (located.path) located.path = locate(*located.path).string();
  return located;
}

Json places_to_json(const Config& config) {
  Json json{{"directory", absolute_text(config.directory)}, {"bases", Json::array()}};
  for (const fs::path& base : config.bases) json["bases"].push_back(absolute_text(base));
  return json;
}

void read_places(const Json& json, Config& config) {
  for (const Json& base : json.value("bases", Json::array())) {
    if (base.is_string()) config.bases.emplace_back(base.get<std::string>());
  }
  if (config.bases.empty()) config.bases.emplace_back();  // saved by an older version
  if (const Json directory = json.value("directory", Json()); directory.is_string()) {
    config.directory = directory.get<std::string>();
    config.bases.push_back(config.directory);
  }
  config.bases.emplace_back();  // a run may have been moved together with its text
}

std::optional<Config> places_of_run(const fs::path& run) {
  const auto read = [](const fs::path& folder, std::string_view name) -> std::optional<Config> {
    try {
      Config config;
      read_places(read_json_object(path_within(folder, name)), config);
      return config;
    } catch (const Error&) {
      return std::nullopt;  // missing or damaged: a resume warns about damage
    }
  };
  std::vector<SavedCheckpoint> saved = list_checkpoints(RunPaths{run}.checkpoints());
  std::ranges::reverse(saved);
  for (const SavedCheckpoint& checkpoint : saved) {
    if (auto config = read(checkpoint.folder, kConfigFile)) return config;
  }
  return read(run, kPlacesFile);
}

}  // namespace kiln
