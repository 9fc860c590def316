// A struct of every kind of field: its JSON in and out, and each message about a wrong value.
#include "kiln/core/fields.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "core/sample_fields.h"
#include <array>
#include <cmath>
#include <limits>

namespace kiln {
namespace {

using testing::Colour;
using testing::Sample;
using testing::Shelf;

/// The problems of reading `text` into a sample, as lines.
std::string problems_of(const std::string& text, Sample* sample = nullptr) {
  Sample unused;
  Problems problems;
  from_json(parse_json(text, "s"), sample != nullptr ? *sample : unused, problems);
  return problems.text("s");
}

TEST(Fields, ReadEveryKind) {
  Sample s;
  EXPECT_EQ(problems_of(R"({"$schema": "x.json", "flag": true, "small": -5, "count": 9007199254740993,
                            "seed": 18446744073709551615, "rate": 3, "name": "é", "list": ["a", "b"], "batch": "all",
                            "colour": "blue", "maybe": 7, "maybe_rate": 0.5, "maybe_name": "n",
                            "maybe_time": "1h30m",
                            "inner": {"size": 2, "colour": "green"}})",
                        &s),
            "");
  EXPECT_TRUE(s.flag);
  EXPECT_EQ(s.small, -5);
  EXPECT_EQ(s.count, 9007199254740993);
  EXPECT_EQ(s.seed, 18446744073709551615u);
  EXPECT_EQ(s.rate, 3.0);
  EXPECT_EQ(s.name, "é");
  EXPECT_EQ(s.list, (std::vector<std::string>{"a", "b"}));
  EXPECT_TRUE(s.batch.all);
  EXPECT_EQ(s.colour, Colour::blue);
  EXPECT_EQ(s.maybe, 7);
  EXPECT_EQ(s.maybe_rate, 0.5);
  EXPECT_EQ(s.maybe_name, "n");
  EXPECT_EQ(s.maybe_time->seconds, 5400);
  EXPECT_EQ(s.inner.size, 2);
  EXPECT_EQ(s.inner.colour, Colour::green);
}

TEST(Fields, KeepTheirValuesWhereNothingIsSaid) {
  Sample s;
  s.rate = 0.25;
  EXPECT_EQ(problems_of(R"({"inner": {}})", &s), "");
  EXPECT_EQ(s.rate, 0.25);
  EXPECT_EQ(s.inner.size, 8);
}

TEST(Fields, NullEmptiesAnOptional) {
  Sample s;
  s.maybe = 3;
  EXPECT_EQ(problems_of(R"({"maybe": null})", &s), "");
  EXPECT_FALSE(s.maybe);
}

TEST(Fields, WholeNumbersMayBeWrittenAsFloats) {
  Sample s;
  EXPECT_EQ(problems_of(R"({"count": 1e3, "small": 4.0, "batch": 2.0, "seed": 1e19})", &s), "");
  EXPECT_EQ(s.count, 1000);
  EXPECT_EQ(s.small, 4);
  EXPECT_EQ(s.batch.count, 2);
  EXPECT_EQ(s.seed, 10'000'000'000'000'000'000u);
}

TEST(Fields, DurationsMayBeSeconds) {
  Sample s;
  EXPECT_EQ(problems_of(R"({"maybe_time": 90.5})", &s), "");
  EXPECT_EQ(s.maybe_time->seconds, 90.5);
  EXPECT_EQ(problems_of(R"({"maybe_time": "soon"})", &s),
            "s: /maybe_time: \"soon\" is a string; a duration such as \"90s\", \"30m\" or \"1h30m\", a number of "
            "seconds or null is expected");
  EXPECT_EQ(problems_of(R"({"maybe_time": "0m"})", &s),
            "s: /maybe_time: \"0m\" is out of range; more than 0 is expected");
  EXPECT_EQ(problems_of(R"({"maybe_time": -1})", &s), "s: /maybe_time: -1 is out of range; more than 0 is expected");
  EXPECT_EQ(s.maybe_time->seconds, 90.5);
}

TEST(Fields, WrongTypesSayWhatWasFoundAndWhatIsExpected) {
  EXPECT_EQ(problems_of(R"({"flag": 1})"), "s: /flag: 1 is a number; true or false is expected");
  EXPECT_EQ(problems_of(R"({"count": "3"})"), "s: /count: \"3\" is a string; an integer is expected");
  EXPECT_EQ(problems_of(R"({"count": null})"), "s: /count: null was found; an integer is expected");
  EXPECT_EQ(problems_of(R"({"count": 4.5})"), "s: /count: 4.5 is not a whole number; an integer is expected");
  EXPECT_EQ(problems_of(R"({"rate": true})"), "s: /rate: true is a boolean; a number is expected");
  EXPECT_EQ(problems_of(R"({"name": [1]})"), "s: /name: an array was found; a string is expected");
  EXPECT_EQ(problems_of(R"({"list": "a"})"), "");
  EXPECT_EQ(problems_of(R"({"list": 3})"), "s: /list: 3 is a number; a string or an array of strings is expected");
  EXPECT_EQ(problems_of(R"({"list": ["a", 2]})"), "s: /list/1: 2 is a number; a string is expected");
  EXPECT_EQ(problems_of(R"({"batch": "some"})"), "s: /batch: \"some\" is a string; an integer or \"all\" is expected");
  EXPECT_EQ(problems_of(R"({"colour": 1})"), "s: /colour: 1 is a number; one of red, green, blue is expected");
  EXPECT_EQ(problems_of(R"({"maybe": {}})"), "s: /maybe: an object was found; an integer or null is expected");
  EXPECT_EQ(problems_of(R"({"inner": 3})"), "s: /inner: 3 is a number; an object is expected");
  EXPECT_EQ(problems_of("[]"), "s: an array was found; an object is expected");
}

TEST(Fields, ValuesOutOfRangeSayTheRange) {
  EXPECT_EQ(problems_of(R"({"count": -3})"), "s: /count: -3 is out of range; at least 1 is expected");
  EXPECT_EQ(problems_of(R"({"batch": 0})"), "s: /batch: 0 is out of range; at least 1 is expected");
  EXPECT_EQ(problems_of(R"({"maybe": 0})"), "s: /maybe: 0 is out of range; at least 1 and at most 9 is expected");
  EXPECT_EQ(problems_of(R"({"rate": 0})"), "s: /rate: 0 is out of range; more than 0 is expected");
  EXPECT_EQ(problems_of(R"({"maybe_rate": 1})"),
            "s: /maybe_rate: 1 is out of range; at least 0 and less than 1 is expected");
  EXPECT_EQ(problems_of(R"({"seed": -1})"), "s: /seed: -1 is out of range; at least 0 is expected");
  EXPECT_EQ(problems_of(R"({"small": 3000000000})"),
            "s: /small: 3000000000 is out of range; at most 2147483647 is expected");
  EXPECT_EQ(problems_of(R"({"small": -1e10})"),
            "s: /small: -10000000000.0 is out of range; at least -2147483648 is expected");
  EXPECT_EQ(problems_of(R"({"count": 9223372036854775808})"),
            "s: /count: 9223372036854775808 is out of range; at most 9223372036854775807 is expected");
  EXPECT_EQ(problems_of(R"({"count": 9.3e18})"),
            "s: /count: 9.3e+18 is out of range; at most 9223372036854775807 is expected");
  EXPECT_EQ(problems_of(R"({"seed": 18446744073709551616})"),
            "s: /seed: 1.8446744073709552e+19 is out of range; at most 18446744073709551615 is expected");
}

TEST(Fields, UnknownNamesSuggestTheNearest) {
  EXPECT_EQ(problems_of(R"({"conut": 1})"), "s: /conut: unknown key; did you mean \"count\"?");
  EXPECT_EQ(problems_of(R"({"inner": {"sice": 1}})"), "s: /inner/sice: unknown key; did you mean \"size\"?");
  EXPECT_EQ(problems_of(R"({"inner": {"zebra": 1}})"), "s: /inner/zebra: unknown key; the keys here are size, colour");
  EXPECT_EQ(problems_of(R"({"inner": {"$schema": 1}})"),
            "s: /inner/$schema: unknown key; the keys here are size, colour");
  EXPECT_EQ(problems_of(R"({"colour": "bleu"})"),
            "s: /colour: \"bleu\" is not one of red, green, blue; did you mean \"blue\"?");
  EXPECT_EQ(problems_of(R"({"colour": "octarine"})"), "s: /colour: \"octarine\" is not one of red, green, blue");
}

TEST(Fields, UnknownNamesOfAnotherSectionSuggestItsPath) {
  EXPECT_EQ(problems_of(R"({"size": 1})"), "s: /size: unknown key; did you mean \"inner.size\"?");
  EXPECT_EQ(problems_of(R"({"inner": {"maybe_rate": 1}})"),
            "s: /inner/maybe_rate: unknown key; did you mean \"maybe_rate\"?");
}

TEST(Fields, AllProblemsComeAtOnceAndSpoilNothingElse) {
  Sample s;
  EXPECT_EQ(
      problems_of(R"({"count": -3, "rate": 0.5, "x_y_z": 1, "list": ["a", 1], "maybe": 0, "batch": -1})", &s),
      "s: /count: -3 is out of range; at least 1 is expected\n"
      "s: /x_y_z: unknown key; the keys here are flag, small, count, seed, rate, name, list, batch, colour, maybe, "
      "maybe_rate, maybe_name, maybe_time, inner\n"
      "s: /list/1: 1 is a number; a string is expected\n"
      "s: /maybe: 0 is out of range; at least 1 and at most 9 is expected\n"
      "s: /batch: -1 is out of range; at least 1 is expected");
  EXPECT_EQ(s.rate, 0.5);
  EXPECT_EQ(s.count, 1);  // what has a problem stays as it was
  EXPECT_TRUE(s.list.empty());
  EXPECT_FALSE(s.maybe);
  EXPECT_EQ(s.batch.count, 12);
}

TEST(Fields, PointersStartWhereTheReaderIsTold) {
  Sample s;
  Problems problems;
  from_json(Json::parse(R"({"$schema": "x", "inner": {"size": 0}})"), s, problems, "/a/b");
  EXPECT_TRUE(problems.has("/a/b/$schema"));  // of the root alone
  EXPECT_TRUE(problems.has("/a/b/inner/size"));
}

TEST(Fields, AreWrittenInOrderAndReadBack) {
  Sample s;
  EXPECT_EQ(to_json(s).dump(),
            R"({"flag":false,"small":0,"count":1,"seed":0,"rate":0.1,"name":"","list":[],"batch":12,"colour":"red",)"
            R"("maybe":null,"maybe_rate":null,"maybe_name":null,"maybe_time":null,"inner":{"size":8,"colour":"red"}})");
  s = {.flag = true,
       .small = -1,
       .count = std::numeric_limits<std::int64_t>::max(),
       .seed = std::numeric_limits<std::uint64_t>::max(),
       .rate = 0.1 + 0.2,
       .name = "\"",
       .list = {"", "b"},
       .batch = {.all = true},
       .colour = Colour::green,
       .maybe = 2,
       .maybe_rate = 1e-300,
       .maybe_name = "",
       .maybe_time = Duration{0.25},
       .inner = {.size = 3, .colour = Colour::blue}};
  Sample back;
  EXPECT_EQ(problems_of(format_json(to_json(s)), &back), "");
  EXPECT_EQ(to_json(back), to_json(s));
  EXPECT_EQ(back.rate, s.rate);
}

/// The problems of reading `text` into a shelf, as lines.
std::string problems_of_shelf(const std::string& text, Shelf& shelf) {
  Problems problems;
  from_json(parse_json(text, "s"), shelf, problems);
  return problems.text("s");
}

TEST(Fields, ListsOfStructsAreReadAndWrittenBack) {
  Shelf shelf;
  shelf.items.resize(3);
  EXPECT_EQ(problems_of_shelf(R"({"items": [{"size": 2, "colour": "blue"}, {}]})", shelf), "");
  ASSERT_EQ(shelf.items.size(), 2u);
  EXPECT_EQ(shelf.items[0].size, 2);
  EXPECT_EQ(shelf.items[0].colour, Colour::blue);
  EXPECT_EQ(shelf.items[1].size, 8);
  EXPECT_EQ(to_json(shelf).dump(), R"({"items":[{"size":2,"colour":"blue"},{"size":8,"colour":"red"}],"rows":1})");
  EXPECT_EQ(problems_of_shelf(R"({"items": []})", shelf), "");
  EXPECT_TRUE(shelf.items.empty());
}

TEST(Fields, ProblemsInAListNameItsElementAndKeepTheList) {
  Shelf shelf;
  shelf.items.resize(1);
  shelf.items[0].size = 5;
  EXPECT_EQ(problems_of_shelf(R"({"items": [{"size": 0}, {"sice": 1}, 3], "rows": 2})", shelf),
            "s: /items/0/size: 0 is out of range; at least 1 is expected\n"
            "s: /items/1/sice: unknown key; did you mean \"size\"?\n"
            "s: /items/2: 3 is a number; an object is expected");
  ASSERT_EQ(shelf.items.size(), 1u);
  EXPECT_EQ(shelf.items[0].size, 5);
  EXPECT_EQ(shelf.rows, 2);
  EXPECT_EQ(problems_of_shelf(R"({"items": {"size": 1}})", shelf),
            "s: /items: an object was found; an array of objects is expected");
  shelf.items[0].size = -1;
  Problems problems;
  check_ranges(shelf, problems, "/shelf");
  EXPECT_EQ(problems.text("s"), "s: /shelf/items/0/size: -1 is out of range; at least 1 is expected");
}

TEST(Fields, RangesAreCheckedWithoutJsonToo) {
  Sample s;
  s.count = 0;
  s.rate = std::numeric_limits<double>::quiet_NaN();
  s.maybe = 10;
  Problems problems;
  check_ranges(s, problems, "/sample");
  EXPECT_EQ(problems.text("s"),
            "s: /sample/count: 0 is out of range; at least 1 is expected\n"
            "s: /sample/rate: null is out of range; more than 0 is expected\n"
            "s: /sample/maybe: 10 is out of range; at least 1 and at most 9 is expected");
}

}  // namespace
}  // namespace kiln
