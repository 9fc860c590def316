// Compares what documents say with the project: the floors, and the tests that they name.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "rules.h"
#include <filesystem>
#include <fstream>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace kiln::architecture {
namespace {

namespace fs = std::filesystem;

std::string read(const fs::path& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

/// "Suite.Name" of every test of the C++ sources, and of CMake's own.
std::set<std::string> names_of_tests() {
  std::set<std::string> names;
  const auto collect = [&](const std::string& text, const std::regex& pattern) {
    for (std::sregex_iterator found(text.begin(), text.end(), pattern), end; found != end; ++found)
      names.insert((*found)[1].str() + "." + (*found)[2].str());
  };
  const fs::path tests = fs::path(KILN_SOURCE_DIR) / "tests";
  const std::regex in_cpp(R"(TEST(?:_F|_P)?\((\w+),\s+(\w+)\))"), in_cmake(R"(add_test\(NAME (\w+)\.(\w+))");
  for (const auto& entry : fs::recursive_directory_iterator(tests)) {
    if (entry.path().extension() == ".cpp") collect(read(entry.path()), in_cpp);
  }
  collect(read(tests / "CMakeLists.txt"), in_cmake);
  return names;
}

TEST(Documents, ArchitectureListsTheFloorsThatAreChecked) {
  std::istringstream lines(read(fs::path(KILN_SOURCE_DIR) / "docs" / "architecture.md"));
  const std::regex row(R"(\| (\d+) \| `(\w+)/` \| .*\|)");
  std::vector<std::string> listed, checked;
  for (std::string line; std::getline(lines, line);) {
    std::smatch found;
    if (std::regex_match(line, found, row)) listed.push_back(found[1].str() + " " + found[2].str());
  }
  for (const Floor& floor : kFloors) checked.push_back(std::to_string(floor.level) + " " + std::string(floor.folder));
  EXPECT_THAT(listed, ::testing::ElementsAreArray(checked));
}

TEST(Documents, EveryTestThatReliabilityNamesIsThere) {
  const std::string text = read(fs::path(KILN_SOURCE_DIR) / "docs" / "reliability.md");
  const std::set<std::string> tests = names_of_tests();
  const std::regex named(R"(`([A-Z]\w+\.[A-Z]\w+)`)");
  int count = 0;
  for (std::sregex_iterator found(text.begin(), text.end(), named), end; found != end; ++found, ++count)
    EXPECT_TRUE(tests.contains((*found)[1].str())) << (*found)[1].str();
  EXPECT_GT(count, 60);
}

TEST(Documents, ReliabilityHasATestForEachOfItsFaults) {
  std::istringstream lines(read(fs::path(KILN_SOURCE_DIR) / "docs" / "reliability.md"));
  const std::regex row(R"(\| (\d+) \| .* \| .*`[A-Z]\w+\.[A-Z]\w+` \|)");
  int faults = 0;
  for (std::string line; std::getline(lines, line);) {
    std::smatch found;
    if (!std::regex_match(line, found, row)) continue;
    EXPECT_EQ(std::stoi(found[1]), ++faults) << line;
  }
  EXPECT_EQ(faults, 46);
}

}  // namespace
}  // namespace kiln::architecture
