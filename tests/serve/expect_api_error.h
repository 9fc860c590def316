// Expects a request to be refused by the name of a field.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "serve/api_error.h"
#include <string>
#include <string_view>

namespace kiln::testing {

/// Expects `call` to throw ApiError (400) of this param, "" for none, whose message has this part.
template <class Call>
void expect_api_error(std::string_view param, std::string_view part, Call&& call) {
  try {
    call();
    ADD_FAILURE() << "nothing was thrown; expected: " << param << ": " << part;
  } catch (const ApiError& error) {
    const Json json = error.json()["error"];
    EXPECT_EQ(error.status(), 400);
    EXPECT_EQ(json["param"], param.empty() ? Json() : Json(param)) << error.what();
    EXPECT_THAT(error.what(), ::testing::HasSubstr(std::string(part)));
  }
}

}  // namespace kiln::testing
