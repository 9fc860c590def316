// A folder for a test's files, and the text and code of the Error that a call throws.
#pragma once

#include "kiln/core/error.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <unistd.h>

namespace kiln::testing {

/// A new folder, removed at the end of the test. Its name is new even where folders of tests that were killed are left.
class Scratch {
 public:
  Scratch() {
    std::string name = (std::filesystem::temp_directory_path() / "kiln-test-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("no folder for a test: " + name);
    root_ = name;
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
