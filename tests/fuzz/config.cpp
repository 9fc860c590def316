// A config file and, behind a NUL, what follows --set, a line each: what is sound is written and read as the same.
#include "kiln/run/config.h"

#include <nlohmann/json.hpp>

#include "target.h"

namespace kiln::fuzz {
namespace {

std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    lines.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

/// Without init_from, which would read whatever file the input names.
Config read(const Folder& folder, std::string_view text, const std::vector<std::string>& overrides) {
  const auto names_init = [](std::string_view part) { return part.find("init_from") != std::string_view::npos; };
  if (names_init(text) || std::ranges::any_of(overrides, names_init)) {
    Problems problems;
    return config_from_json(parse_json(text, "config.json", problems), "config.json");
  }
  return read_config(folder.put("config.json", text), overrides);
}

}  // namespace

void fuzz_config(std::string_view input) {
  static const Folder folder;
  const std::size_t nul = std::min(input.find('\0'), input.size());
  const std::vector<std::string> overrides = lines_of(input.substr(std::min(nul + 1, input.size())));
  const Config config = read(folder, input.substr(0, nul), overrides);
  const Json json = config_to_json(config);
  const Config again = must([&] { return config_from_json(json, "again"); });
  const std::vector<Difference> differences = diff(config, again);
  require(differences.empty(), "another config: {}", differences.empty() ? "" : to_string(differences.front()));
  require(config_to_json(again) == json, "another config.json");
  require(config.model.head_size() > 0 && config.model.mlp_size() > 0, "sizes that are none");
}

}  // namespace kiln::fuzz
