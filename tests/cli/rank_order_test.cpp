// Orders as raters type them.
#include "cli/rank_order.h"

#include "kiln/core/error.h"

#include <gmock/gmock.h>

#include "support/scratch.h"

namespace kiln::cli {
namespace {

using ::kiln::testing::expect_error;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(TypedOrders, LettersTheBestFirstAndEqualsJoined) {
  for (const char* text : {"b a=c d", "ba=cd", "B > A = C > D", "b,a=c,d", "  b\ta =c d "}) {
    const ShownOrder order = read_order(text, 4);
    EXPECT_THAT(order.groups, ElementsAre(ElementsAre(1), ElementsAre(0, 2), ElementsAre(3))) << text;
    EXPECT_THAT(order.rest, IsEmpty());
    EXPECT_EQ(order_text(order), "b > a = c > d");
  }
  EXPECT_THAT(read_order("a=b=c", 3).groups, ElementsAre(ElementsAre(0, 1, 2)));
}

TEST(TypedOrders, LettersLeftOutAreWorse) {
  EXPECT_THAT(read_order("b", 2).groups, ElementsAre(ElementsAre(1), ElementsAre(0))) << "one letter decides a pair";
  const ShownOrder best = read_order("c", 4);
  EXPECT_THAT(best.groups, ElementsAre(ElementsAre(2)));
  EXPECT_THAT(best.rest, ElementsAre(0, 1, 3));
  EXPECT_EQ(order_text(best), "c > the others (a b d, not compared)");
  EXPECT_THAT(read_order("c a d", 4).groups,
              ElementsAre(ElementsAre(2), ElementsAre(0), ElementsAre(3), ElementsAre(1)));
}

TEST(TypedOrders, OtherTextIsRefused) {
  expect_error(ExitCode::usage, "a stands twice; name each answer once", [] { read_order("a b a", 3); });
  expect_error(ExitCode::usage,
               "\"a d\" is not an order of the letters a to c; type the best first, as in \"b a=c\"; ? helps",
               [] { read_order("a d", 3); });
  expect_error(ExitCode::usage,
               "\"yes\" is not an order of the letters a to b; type the best first, as in \"a\"; ? helps",
               [] { read_order("yes", 2); });
  for (const char* text : {"=a", "a=", "a==b"}) {
    expect_error(ExitCode::usage, "\"=\" stands between two letters, as in a=b", [&] { read_order(text, 2); });
  }
  expect_error(ExitCode::usage, "no letter; type the best first", [] { read_order(" > ", 2); });
}

}  // namespace
}  // namespace kiln::cli
