// Random and damaged configs: problems, never a crash; and what has no problem is read back equal.
#include "kiln/core/file.h"
#include "kiln/core/rng.h"
#include "kiln/run/config.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <limits>

namespace kiln {
namespace {

/// Reads as a plan would; an Error is an answer, anything else is not. Returns whether the config was sound.
bool survive(const Json& json) {
  try {
    const Config config = config_from_json(json, "fuzz", Purpose::plan);
    EXPECT_TRUE(diff(config, config_from_json(config_to_json(config), "back", Purpose::plan)).empty());
    return true;
  } catch (const Error& error) {
    EXPECT_FALSE(std::string(error.what()).empty());
    return false;
  }
}

Json random_value(Rng& rng, int depth) {
  static const std::vector<Json> values{nullptr,
                                        true,
                                        false,
                                        0,
                                        1,
                                        2,
                                        -1,
                                        3,
                                        64,
                                        1e300,
                                        -1e300,
                                        0.5,
                                        1e-300,
                                        std::numeric_limits<std::int64_t>::min(),
                                        std::numeric_limits<std::uint64_t>::max(),
                                        "",
                                        "all",
                                        "adamw",
                                        "rope",
                                        "swiglu",
                                        "char",
                                        "\xff\xfe",
                                        "é"};
  const std::uint64_t kind = rng.below(depth > 0 ? 12 : 10);
  if (kind < 10) return values[rng.below(values.size())];
  Json json = kind == 10 ? Json::array() : Json::object();
  for (std::uint64_t i = rng.below(4); i > 0; --i) {
    Json value = random_value(rng, depth - 1);
    if (json.is_array()) {
      json.push_back(std::move(value));
    } else {
      json[std::string(rng.below(6), 'k')] = std::move(value);
    }
  }
  return json;
}

TEST(ConfigFuzz, RandomValuesInAnyPlaceAreSurvived) {
  const Json base = to_json(Config{});
  std::vector<std::string> pointers;
  const Json flat = base.flatten();
  for (const auto& [pointer, value] : flat.items()) pointers.push_back(pointer);
  for (const char* section : {"/tokenizer", "/data", "/data/train", "/model", "/model/init", "/train", "/new", ""}) {
    pointers.emplace_back(section);
  }
  Rng rng(7, "fuzz/values");
  int sound = 0;
  for (int round = 0; round < 5000; ++round) {
    Json json = base;
    for (std::uint64_t changes = 1 + rng.below(3); changes > 0; --changes) {
      const Json::json_pointer pointer(pointers[rng.below(pointers.size())]);
      if (json.is_object() && (pointer.empty() || json.contains(pointer.parent_pointer())) &&
          (pointer.empty() || json[pointer.parent_pointer()].is_object())) {
        json[pointer] = random_value(rng, 3);
      }
    }
    sound += survive(json) ? 1 : 0;
  }
  EXPECT_GT(sound, 100);  // both ways are tried
  EXPECT_LT(sound, 4900);
}

TEST(ConfigFuzz, DamagedTextIsSurvived) {
  const std::string text = read_file(KILN_SOURCE_DIR "/configs/quickstart.json");
  constexpr std::string_view spice = "{}[]\",:0e-+.\\ntf\x80\xff\n";
  Rng rng(7, "fuzz/text");
  for (int round = 0; round < 5000; ++round) {
    std::string damaged = text.substr(0, text.size() - rng.below(rng.below(4) == 0 ? text.size() : 1));
    for (std::uint64_t changes = 1 + rng.below(4); changes > 0 && !damaged.empty(); --changes) {
      damaged[rng.below(damaged.size())] = spice[rng.below(spice.size())];
    }
    try {
      Problems problems;
      const Json json = parse_json(damaged, "fuzz", problems);
      survive(json);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::usage);
    }
  }
}

}  // namespace
}  // namespace kiln
