// Errors whose text is checked in parts, where the whole holds numbers that no test should spell out.
#pragma once

#include "kiln/core/error.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <initializer_list>
#include <string>
#include <string_view>

namespace kiln::testing {

/// Expects `call` to throw an Error of this code whose text holds every part.
template <class Call>
void expect_error_with(ExitCode code, std::initializer_list<std::string_view> parts, Call&& call) {
  try {
    call();
    ADD_FAILURE() << "nothing was thrown; expected: " << *parts.begin();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    for (const std::string_view part : parts) EXPECT_THAT(error.what(), ::testing::HasSubstr(std::string(part)));
  }
}

}  // namespace kiln::testing
