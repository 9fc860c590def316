// Progress bars by a clock of the test's own: when they show themselves, what they say, and when they are silent.
#include "cli/progress_bar.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spdlog/spdlog.h>

#include <string>
#include <vector>

namespace kiln::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

/// A display that keeps what is printed.
struct Screen {
  double now = 100;
  std::vector<std::string> printed;

  ProgressDisplay display(bool terminal, bool color = false, int width = 80) {
    return {.terminal = terminal,
            .color = color,
            .width = width,
            .seconds = [this] { return now; },
            .print = [this](const std::string& text) { printed.push_back(text); }};
  }
};

TEST(ProgressBar, ShowsNothingInItsFirstTwoSeconds) {
  Screen screen;
  {
    ProgressBar bar("work", 100, "things", screen.display(true));
    bar.show(50);
    screen.now += 1.9;
    bar.show(50);
  }
  EXPECT_THAT(screen.printed, IsEmpty());
}

TEST(ProgressBar, OfATerminalHasShareRateAndTimeLeftAndIsWipedAway) {
  Screen screen;
  {
    ProgressBar bar("work", 100, "things", screen.display(true));
    screen.now += 2;
    bar.show(25);
  }
  EXPECT_THAT(screen.printed,
              ElementsAre("\r\033[Kwork  ━━━━━───────────────   25%  12 things/s  ETA 6 s", "\r\033[K"));
}

TEST(ProgressBar, ASlowRateIsNotRoundedToNothingAndAShareHasNone) {
  Screen screen;
  {
    ProgressBar bar("work", 10, "steps", screen.display(true));
    screen.now += 4;
    bar.show(1);
    ProgressBar share("measuring", 1, "", screen.display(true));
    screen.now += 4;
    share.show(0.5);
  }
  EXPECT_THAT(screen.printed[0], HasSubstr(" 10%  0.25 steps/s  ETA 36 s"));
  EXPECT_THAT(screen.printed[1], HasSubstr(" 50%  ETA 4 s"));
}

TEST(ProgressBar, IsRedrawnTenTimesASecondAtMost) {
  Screen screen;
  ProgressBar bar("work", 1e6, "things", screen.display(true));
  for (int ms = 0; ms < 3000; ++ms) {
    screen.now = 100 + ms / 1000.0;
    bar.show(ms);
  }
  EXPECT_GE(screen.printed.size(), 9u);
  EXPECT_LE(screen.printed.size(), 10u);
}

TEST(ProgressBar, OfALogIsALineEveryTenSeconds) {
  Screen screen;
  {
    ProgressBar bar("work", 100, "bytes", screen.display(false));
    for (int second = 1; second <= 25; ++second) {
      screen.now += 1;
      bar.show(2 * second);
    }
  }
  EXPECT_THAT(screen.printed, ElementsAre("work:  20%  2 B/s  ETA 40 s", "work:  40%  2 B/s  ETA 30 s"));
}

TEST(ProgressBar, FitsItsWidthAndColoursOnlyWhereAsked) {
  for (const int width : {20, 45, 60}) {
    Screen screen;
    ProgressBar bar("a piece of work", 100, "things", screen.display(true, true, width));
    screen.now += 2;
    bar.show(50);
    ASSERT_EQ(screen.printed.size(), 1u);
    if (width < 60) {
      EXPECT_THAT(screen.printed[0], Not(HasSubstr("━"))) << width;
      EXPECT_LE(screen.printed[0].size(), 4u + static_cast<std::size_t>(width)) << width;
    }
  }
  Screen screen;
  ProgressBar bar("work", 100, "things", screen.display(true, true));
  screen.now += 2;
  bar.show(50);
  EXPECT_THAT(screen.printed.back(), HasSubstr("\033[36m━━━━━━━━━━──────────\033[0m"));
}

TEST(ProgressBar, IsSilentWhereInformationIsNotLogged) {
  const auto before = spdlog::get_level();
  spdlog::set_level(spdlog::level::warn);
  EXPECT_FALSE(ProgressDisplay::of_stderr().print);
  spdlog::set_level(spdlog::level::info);
  EXPECT_TRUE(ProgressDisplay::of_stderr().print);
  spdlog::set_level(before);
}

}  // namespace
}  // namespace kiln::cli
