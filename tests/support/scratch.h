// A folder for a test's files, and the text and code of the Error that a call throws.
#pragma once

#include "kiln/core/error.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <unistd.h>

namespace kiln::testing {

/// A new folder, removed at the end of the test.
class Scratch {
 public:
  Scratch() {
    static int count = 0;
    root_ = std::filesystem::temp_directory_path() / fmt::format("kiln-test-{}-{}", ::getpid(), count++);
    std::filesystem::create_directories(root_);
  }
  ~Scratch() { std::filesystem::remove_all(root_); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  std::filesystem::path path(std::string_view name = "") const { return name.empty() ? root_ : root_ / name; }

  /// Writes a file, with the folders it lies in, and returns its path.
  std::string write(std::string_view name, std::string_view bytes) const {
    std::filesystem::create_directories(path(name).parent_path());
    std::ofstream(path(name), std::ios::binary) << bytes;
    return path(name).string();
  }

 private:
  std::filesystem::path root_;
};

/// Expects `call` to throw an Error of this code and text.
template <class Call>
void expect_error(ExitCode code, std::string_view text, Call&& call) {
  try {
    call();
    ADD_FAILURE() << "nothing was thrown; expected: " << text;
  } catch (const Error& error) {
    EXPECT_EQ(std::string(error.what()), text);
    EXPECT_EQ(error.code(), code);
  }
}

}  // namespace kiln::testing
