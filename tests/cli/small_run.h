// A run that `kiln train` makes in a moment, for the commands that need one.
#pragma once

#include "kiln/core/file.h"

#include <nlohmann/json.hpp>

#include "support/process.h"
#include "support/scratch.h"
#include "support/tiny_run.h"
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace kiln::testing {

/// A folder with a config file, the text that it names, and the run that training leaves.
struct SmallRun {
  Scratch scratch;
  std::string config = scratch.write("small.json", format_json(config_to_json(tiny_config(scratch))));
  std::string folder = scratch.path("run").string();

  /// kiln train CONFIG --run FOLDER, and these.
  std::vector<std::string> training(const std::vector<std::string>& more = {}) const {
    std::vector<std::string> command = kiln({"train", config, "--run", folder});
    command.insert(command.end(), more.begin(), more.end());
    return command;
  }

  /// Trains until it is stopped.
  inline static const std::vector<std::string> kEndless{
      "--set", "train.steps=100000000", "--set", "train.eval_every=0", "--set", "train.checkpoint_every=0"};

  Outcome train(const std::vector<std::string>& more = {}) const { return run(training(more)); }

  /// That of the latest checkpoint.
  std::int64_t latest_step() const { return std::stoll(read_file(folder + "/checkpoints/latest").substr(5)); }
};

}  // namespace kiln::testing
