// Starts kiln train under mpirun, for tests that are left out where there is no mpirun.
#pragma once

#include "kiln/core/file.h"

#include <gtest/gtest.h>

#include "cli/small_run.h"
#include "support/process.h"
#include "support/wait.h"
#include <cstdlib>
#include <string>
#include <sys/types.h>
#include <vector>

namespace kiln::testing {

/// Trains with several ranks of one thread.
class RanksUnderMpi : public ::testing::Test {
 protected:
  void SetUp() override {
    if (std::system("command -v mpirun >/dev/null && mpirun --version 2>/dev/null | grep -q 'Open MPI'") != 0)
      GTEST_SKIP() << "there is no Open MPI";
    for (const char* name : {"OMPI_ALLOW_RUN_AS_ROOT", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"}) ::setenv(name, "1", 1);
    if (kSanitized) ::setenv("ASAN_OPTIONS", "detect_leaks=0", 1);  // Open MPI keeps some memory to the end
  }

  /// The command line of mpirun that starts so many ranks of a training.
  static std::vector<std::string> launch(int ranks, const std::vector<std::string>& training) {
    std::vector<std::string> command{"mpirun", "--oversubscribe"};
    add_ranks(command, ranks, training);
    return command;
  }
  /// The same for a rank of each of these trainings.
  static std::vector<std::string> launch_each(const std::vector<std::vector<std::string>>& trainings) {
    std::vector<std::string> command{"mpirun", "--oversubscribe"};
    for (const std::vector<std::string>& training : trainings) {
      if (command.size() > 2) command.emplace_back(":");
      add_ranks(command, 1, training);
    }
    return command;
  }

  /// The command line of a training in this folder.
  std::vector<std::string> training_in(const std::string& folder, const std::vector<std::string>& more = {}) const {
    std::vector<std::string> command = kiln({"train", small_.config, "--run", folder});
    command.insert(command.end(), more.begin(), more.end());
    return command;
  }

  static std::string latest(const std::string& folder) {
    return read_file(folder + "/checkpoints/latest").substr(0, 13);
  }
  static std::string file_of_latest(const std::string& folder, const std::string& file) {
    return read_file(folder + "/checkpoints/" + latest(folder) + "/" + file);
  }
  static std::string weights_of(const std::string& folder) { return file_of_latest(folder, "model.safetensors"); }

  /// Returns the process of a rank of a training.
  static pid_t process_of_rank(int rank, const std::string& folder) {
    const auto find = [&] {
      const Outcome found =
          run({"sh", "-c",
               "for p in /proc/[0-9]*; do tr '\\0' ' ' < $p/cmdline 2>/dev/null | grep -q \"^[^ ]*kiln "
               "train.*" +
                   folder +
                   "\" && tr '\\0' '\\n' < $p/environ 2>/dev/null | grep -qx "
                   "OMPI_COMM_WORLD_RANK=" +
                   std::to_string(rank) + " && basename $p; done; true"});
      return found.out.empty() ? 0 : std::stoi(found.out);
    };
    pid_t process = 0;
    wait_until([&] { return (process = find()) > 0; });
    return process;
  }

  SmallRun small_;

 private:
  static void add_ranks(std::vector<std::string>& command, int ranks, const std::vector<std::string>& training) {
    command.insert(command.end(), {"-n", std::to_string(ranks)});
    command.insert(command.end(), training.begin(), training.end());
    for (const char* setting :
         {"train.threads=1", "train.batch_size=8", "distributed.leaves=4", "distributed.timeout=60s"}) {
      command.insert(command.end(), {"--set", setting});
    }
  }
};

}  // namespace kiln::testing
