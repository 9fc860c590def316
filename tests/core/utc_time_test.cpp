// The time as text.
#include "kiln/core/utc_time.h"

#include <gmock/gmock.h>

namespace kiln {
namespace {

TEST(UtcTime, HasTheFormOfIso8601) {
  EXPECT_THAT(utc_now(), ::testing::MatchesRegex("[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z"));
}

}  // namespace
}  // namespace kiln
