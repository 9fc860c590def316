// What counts as a near miss.
#include "kiln/core/nearest.h"

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <vector>

namespace kiln {
namespace {

constexpr std::array<std::string_view, 6> kWords{"learning_rate", "beta1", "beta2", "n_heads", "n_kv_heads", "seed"};

TEST(Nearest, FindsAnEditedName) {
  EXPECT_EQ(nearest("learning_rat", kWords), "learning_rate");
  EXPECT_EQ(nearest("learningrate", kWords), "learning_rate");
  EXPECT_EQ(nearest("Learning_Rate", kWords), "learning_rate");
  EXPECT_EQ(nearest("n_head", kWords), "n_heads");
  EXPECT_EQ(nearest("sede", kWords), "seed");  // a swap is one edit
}

TEST(Nearest, TakesTheNearestAndOfEqualsTheFirst) {
  EXPECT_EQ(nearest("beta2", kWords), "beta2");
  EXPECT_EQ(nearest("beta", kWords), "beta1");
  EXPECT_EQ(nearest("n_v_heads", kWords), "n_kv_heads");
}

TEST(Nearest, TakesTheBeginningOfOneNameForTheName) {
  EXPECT_EQ(nearest("learning", kWords), "learning_rate");
  EXPECT_EQ(nearest("le", kWords), "learning_rate");
  EXPECT_EQ(nearest("n_", kWords), "");  // of two
  EXPECT_EQ(nearest("l", kWords), "");   // too little to go by
}

TEST(Nearest, PrefersABeginningToAnEdit) {
  constexpr std::array<std::string_view, 3> kOptions{"stop", "top-k", "top-p"};
  EXPECT_EQ(nearest("top", kOptions), "");  // of two: not the "stop" that is one edit away
  EXPECT_EQ(nearest("top-", kOptions), "top-k");
  constexpr std::array<std::string_view, 2> kLonger{"tops", "top-probability"};
  EXPECT_EQ(nearest("top-p", kLonger), "top-probability");
}

TEST(Nearest, ListsWhatBeginsWithAWord) {
  EXPECT_EQ(beginning_with("n_", kWords), (std::vector<std::string_view>{"n_heads", "n_kv_heads"}));
  EXPECT_TRUE(beginning_with("n", kWords).empty());
  EXPECT_TRUE(beginning_with("x_", kWords).empty());
}

TEST(Nearest, LeavesWhatIsFarAway) {
  EXPECT_EQ(nearest("optimizer", kWords), "");
  EXPECT_EQ(nearest("", kWords), "");
  EXPECT_EQ(nearest("lr", kWords), "");
  EXPECT_EQ(nearest("seed", {}), "");
}

TEST(Nearest, IsQuickWithALongWord) { EXPECT_EQ(nearest(std::string(10'000'000, 'x'), kWords), ""); }

}  // namespace
}  // namespace kiln
