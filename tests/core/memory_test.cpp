// What is left of memory, as Linux's files tell it.
#include "kiln/core/memory.h"

#include <gtest/gtest.h>

#include "support/scratch.h"
#include <limits>

namespace kiln {
namespace {

using testing::Scratch;

constexpr std::uint64_t kUnlimited = std::numeric_limits<std::uint64_t>::max();

TEST(Memory, ThereIsSomeAndThisProcessHoldsSome) {
  EXPECT_GT(available_memory_bytes(), 0u);
  EXPECT_LT(available_memory_bytes(), kUnlimited);
  EXPECT_GT(peak_memory_bytes(), 1u << 20);
}

TEST(Memory, CachedFilesOfAControlGroupMakeRoom) {
  const Scratch group;
  EXPECT_EQ(memory_left_by(group.path()), kUnlimited) << "not the folder of a control group";
  group.write("memory.max", "max\n");
  group.write("memory.current", "900\n");
  EXPECT_EQ(memory_left_by(group.path()), kUnlimited);
  group.write("memory.max", "1000\n");
  EXPECT_EQ(memory_left_by(group.path()), 100u);
  group.write("memory.stat", "anon 100\nfile 800\nactive_file 300\ninactive_file 400\n");
  EXPECT_EQ(memory_left_by(group.path()), 800u);
  group.write("memory.max", "100\n");
  EXPECT_EQ(memory_left_by(group.path()), 0u);
}

}  // namespace
}  // namespace kiln
