// What a profile books, and for how long.
#include "kiln/core/profile.h"

#include "kiln/core/stopwatch.h"

#include <gtest/gtest.h>

#include <thread>

namespace kiln {
namespace {

void work(const char* part) {
  const Timed timed(part);
  std::this_thread::sleep_for(std::chrono::milliseconds(2));
}

TEST(Profile, BooksTheSecondsOfEachPartWhileItLives) {
  work("before");
  const Stopwatch whole;
  const Profile profile;
  work("a");
  work("a");
  work("b");
  ASSERT_EQ(profile.seconds().size(), 2u);
  EXPECT_GE(profile.seconds().at("a"), 0.004);
  EXPECT_GE(profile.seconds().at("b"), 0.002);
  EXPECT_LE(profile.seconds().at("a") + profile.seconds().at("b"), whole.seconds());
}

TEST(Profile, IsOfTheThreadThatMadeIt) {
  const Profile profile;
  std::thread(work, "elsewhere").join();
  EXPECT_TRUE(profile.seconds().empty());
}

}  // namespace
}  // namespace kiln
