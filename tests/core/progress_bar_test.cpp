// Progress bars by a clock of the test's own: when they show themselves, what they say, and when they are silent.
#include "kiln/core/progress_bar.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spdlog/spdlog.h>

#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace kiln {
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
    bar.add(50);
    screen.now += 1.9;
    bar.add(50);
  }
  EXPECT_THAT(screen.printed, IsEmpty());
}

TEST(ProgressBar, OfATerminalHasShareRateAndTimeLeftAndIsWipedAway) {
  Screen screen;
  {
    ProgressBar bar("work", 100, "things", screen.display(true));
    screen.now += 2;
    bar.add(25);
  }
  EXPECT_THAT(screen.printed,
              ElementsAre("\r\033[Kwork  ━━━━━───────────────   25%  12 things/s  ETA 6 s", "\r\033[K"));
}

TEST(ProgressBar, ASlowRateIsNotRoundedToNothingAndAShareHasNone) {
  Screen screen;
  {
    ProgressBar bar("work", 10, "steps", screen.display(true));
    screen.now += 4;
    bar.add(1);
    ProgressBar share("measuring", 1, "", screen.display(true));
    screen.now += 4;
    share.set_share(0.5);
  }
  EXPECT_THAT(screen.printed[0], HasSubstr(" 10%  0.25 steps/s  ETA 36 s"));
  EXPECT_THAT(screen.printed[1], HasSubstr(" 50%  ETA 4 s"));
}

TEST(ProgressBar, IsRedrawnTenTimesASecondAtMost) {
  Screen screen;
  ProgressBar bar("work", 1e6, "things", screen.display(true));
  for (int ms = 0; ms < 3000; ++ms) {
    screen.now = 100 + ms / 1000.0;
    bar.add(1);
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
      bar.add(2);
    }
  }
  EXPECT_THAT(screen.printed, ElementsAre("work:  20%  2 B/s  ETA 40 s", "work:  40%  2 B/s  ETA 30 s"));
}

TEST(ProgressBar, FitsItsWidthAndColoursOnlyWhereAsked) {
  for (const int width : {20, 45, 60}) {
    Screen screen;
    ProgressBar bar("a piece of work", 100, "things", screen.display(true, true, width));
    screen.now += 2;
    bar.set_share(0.5);
    ASSERT_EQ(screen.printed.size(), 1u);
    if (width < 60) {
      EXPECT_THAT(screen.printed[0], Not(HasSubstr("━"))) << width;
      EXPECT_LE(screen.printed[0].size(), 4u + static_cast<std::size_t>(width)) << width;
    }
  }
  Screen screen;
  ProgressBar bar("work", 100, "things", screen.display(true, true));
  screen.now += 2;
  bar.add(50);
  EXPECT_THAT(screen.printed.back(), HasSubstr("\033[36m━━━━━━━━━━──────────\033[0m"));
}

TEST(ProgressBar, WorkDeepDownAdvancesTheNewest) {
  Screen outer_screen, inner_screen;
  ProgressBar outer("outer", 10, "things", outer_screen.display(false));
  outer_screen.now += 10;
  {
    ProgressBar inner("inner", 10, "things", inner_screen.display(false));
    inner_screen.now += 10;
    ProgressBar::advance(5);
  }
  EXPECT_THAT(inner_screen.printed, ElementsAre(HasSubstr("inner:  50%")));
  EXPECT_THAT(outer_screen.printed, IsEmpty());
  ProgressBar::advance(2);
  EXPECT_THAT(outer_screen.printed, ElementsAre(HasSubstr("outer:  20%")));
}

TEST(ProgressBar, ADetachedThreadCountsForNone) {
  Screen screen;
  const ProgressBar bar("work", 10, "things", screen.display(false));
  screen.now += 10;
  std::thread([] {
    ProgressBar::detach_this_thread();
    ProgressBar::advance(5);
  }).join();
  EXPECT_THAT(screen.printed, IsEmpty());
  ProgressBar::advance(1);
  EXPECT_THAT(screen.printed, ElementsAre(HasSubstr("work:  10%")));
}

TEST(ProgressBar, CountsWhatManyThreadsDo) {
  Screen screen;
  ProgressBar bar("work", 4000, "things", screen.display(false));
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([] {
      for (int done = 0; done < 1000; ++done) ProgressBar::advance(1);
    });
  }
  for (std::thread& thread : threads) thread.join();
  screen.now += 10;
  bar.add(0);
  EXPECT_THAT(screen.printed, ElementsAre("work: 100%  400 things/s"));
}

TEST(ProgressBar, WithoutABarAdvancingDoesNothing) { EXPECT_NO_THROW(ProgressBar::advance(1)); }

TEST(ProgressBar, IsSilentWhereInformationIsNotLogged) {
  const auto before = spdlog::get_level();
  spdlog::set_level(spdlog::level::warn);
  EXPECT_FALSE(ProgressDisplay::of_stderr().print);
  spdlog::set_level(spdlog::level::info);
  EXPECT_TRUE(ProgressDisplay::of_stderr().print);
  spdlog::set_level(before);
}

}  // namespace
}  // namespace kiln
