// What counts as a near miss.
#include "kiln/core/nearest.h"

#include <gtest/gtest.h>

#include <array>
#include <string>

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

TEST(Nearest, LeavesWhatIsFarAway) {
  EXPECT_EQ(nearest("optimizer", kWords), "");
  EXPECT_EQ(nearest("", kWords), "");
  EXPECT_EQ(nearest("lr", kWords), "");
  EXPECT_EQ(nearest("seed", {}), "");
}

TEST(Nearest, IsQuickWithALongWord) { EXPECT_EQ(nearest(std::string(10'000'000, 'x'), kWords), ""); }

}  // namespace
}  // namespace kiln
