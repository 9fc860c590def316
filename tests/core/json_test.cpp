// Where and why a text is not JSON, and keys given twice.
#include "kiln/core/json.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "support/scratch.h"

namespace kiln {
namespace {

using testing::expect_error;

TEST(Json, ParsesEveryKindOfValueInOrder) {
  const std::string text =
      R"({"b": [1, -2, 2.5, 1e3], "a": {"t": true, "n": null, "s": "\u00e9\n"}, "e": {}, "f": []})";
  const Json json = parse_json(text, "a.json");
  EXPECT_EQ(json.dump(), R"({"b":[1,-2,2.5,1000.0],"a":{"t":true,"n":null,"s":"é\n"},"e":{},"f":[]})");
  EXPECT_EQ(json, Json::parse(text));
  EXPECT_EQ(parse_json("7", "a.json"), 7);
}

void expect_syntax_error(std::string_view text, std::string_view message) {
  Problems problems;
  expect_error(ExitCode::usage, message, [&] { parse_json(text, "a.json", problems); });
  expect_error(ExitCode::bad_input, message, [&] { parse_json(text, "a.json"); });
}

TEST(Json, SyntaxErrorsNameLineAndColumn) {
  expect_syntax_error("", "a.json:1:1: not valid JSON: unexpected end of input; expected '[', '{', or a literal");
  expect_syntax_error("{\"a\": 1,}",
                      "a.json:1:9: not valid JSON: unexpected '}'; expected string literal; "
                      "remove the comma before it");
  expect_syntax_error("{\n\n \"a\" 1}", "a.json:3:6: not valid JSON: unexpected number literal; expected ':'");
  expect_syntax_error("{\"a\":\n \"x", "a.json:2:4: not valid JSON: invalid string: missing closing quote");
  expect_syntax_error("{} x", "a.json:1:4: not valid JSON: invalid literal; expected end of input");
  expect_syntax_error("{\"a\": NaN}", "a.json:1:7: not valid JSON: invalid literal");
  expect_syntax_error("\"\xff\"", "a.json:1:2: not valid JSON: invalid string: ill-formed UTF-8 byte");
  expect_syntax_error("[1]\n// mine",
                      "a.json:2:1: not valid JSON: invalid literal; expected end of input; JSON has no "
                      "comments: remove it");
  expect_syntax_error("{\n  # mine\n}",
                      "a.json:2:3: not valid JSON: invalid literal; expected string literal; JSON has no "
                      "comments: remove it");
  expect_syntax_error("{'a': 1}",
                      "a.json:1:2: not valid JSON: invalid literal; expected string literal; strings need "
                      "double quotes");
}

TEST(Json, NumbersBeyondDoubleAreErrors) {
  expect_syntax_error("{\n\"a\": 1e999}", "a.json:2:10: not valid JSON: number overflow parsing '1e999'");
}

TEST(Json, SyntaxErrorsDoNotQuoteTheWholeFile) {
  expect_syntax_error('"' + std::string(100'000, 'x'),
                      "a.json:1:100002: not valid JSON: invalid string: missing closing quote");
}

TEST(Json, KeysGivenTwiceAreProblems) {
  Problems problems;
  const Json json = parse_json(R"({"a": {"b": 1, "b": 2}, "l": [{}, {"c": 1, "c/": 1, "c/": 1}]})", "a.json", problems);
  EXPECT_EQ(problems.text("a.json"),
            "a.json: /a/b: the key is given twice; keep one of them\n"
            "a.json: /l/1/c~1: the key is given twice; keep one of them");
  EXPECT_EQ(json["a"]["b"], 2);
  expect_error(ExitCode::bad_input, "a.json: /a: the key is given twice; keep one of them",
               [] { parse_json(R"({"a": {"x": 1}, "a": {"x": 1}})", "a.json"); });
}

TEST(Json, DeepNestingIsAnErrorRatherThanTheEndOfTheStack) {
  EXPECT_NO_THROW(parse_json(std::string(256, '[') + std::string(256, ']'), "a.json"));
  EXPECT_THROW(parse_json(std::string(257, '[') + std::string(257, ']'), "a.json"), Error);
  EXPECT_THROW(parse_json(std::string(1'000'000, '['), "a.json"), Error);
}

TEST(Json, FormattedTextIsReadBack) {
  const Json json = parse_json(R"({"b": [0.1, 18446744073709551615], "a": "x"})", "a.json");
  EXPECT_EQ(format_json(json), "{\n  \"b\": [\n    0.1,\n    18446744073709551615\n  ],\n  \"a\": \"x\"\n}\n");
  EXPECT_EQ(parse_json(format_json(json), "a.json"), json);
  EXPECT_EQ(format_json("\xff"), "\"\xEF\xBF\xBD\"\n");
}

TEST(Json, BriefTextIsShortAndKeepsCharactersWhole) {
  EXPECT_EQ(brief_json(2.5), "2.5");
  EXPECT_EQ(brief_json(Json::parse("[1, 2]")), "[...]");
  EXPECT_EQ(brief_json(Json::parse("{\"a\": 1}")), "{...}");
  EXPECT_EQ(brief_json(Json::object()), "{}");
  EXPECT_EQ(brief_json(std::string(1000, 'x')), '"' + std::string(59, 'x') + "...");
  std::string accents;
  for (int i = 0; i < 50; ++i) accents += "é";
  EXPECT_EQ(brief_json(accents), '"' + accents.substr(0, 58) + "...");
}

TEST(Json, RefusesWhatFollowsANul) {
  using namespace std::string_literals;
  testing::expect_error(ExitCode::bad_input, "x.json: not valid JSON: a NUL at byte 2",
                        [] { parse_json("{}\0garbage"s, "x.json"); });
}

}  // namespace
}  // namespace kiln
