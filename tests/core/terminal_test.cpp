// Widths of what is no terminal.
#include "kiln/core/terminal.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fcntl.h>
#include <unistd.h>

namespace kiln {
namespace {

TEST(Terminal, WhatIsNoneTakesItsWidthFromTheEnvironmentAndHasNoColor) {
  const int file = ::open("/dev/null", O_WRONLY);
  ASSERT_GE(file, 0);
  EXPECT_FALSE(is_terminal(file));
  EXPECT_FALSE(output_has_color(file));
  ::setenv("COLUMNS", "57", 1);
  EXPECT_EQ(output_width(file), 57);
  ::setenv("COLUMNS", "wide", 1);
  EXPECT_EQ(output_width(file), 80);
  ::unsetenv("COLUMNS");
  EXPECT_EQ(output_width(file), 80);
  ::close(file);
}

}  // namespace
}  // namespace kiln
