// What a struct says of itself: its JSON Schema and its reference.
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "core/sample_fields.h"

namespace kiln {
namespace {

using testing::Sample;
using testing::Shelf;

TEST(Schema, DescribesEveryKindOfField) {
  const Json schema = json_schema<Sample>("sample");
  EXPECT_EQ(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
  EXPECT_EQ(schema["title"], "sample");
  EXPECT_EQ(schema["type"], "object");
  EXPECT_EQ(schema["additionalProperties"], false);
  EXPECT_EQ(schema["required"], Json::parse(R"(["list"])"));
  auto property = [&](const char* name) { return schema["properties"][name].dump(); };
  EXPECT_EQ(property("flag"), R"({"type":"boolean","default":false,"description":"on or off"})");
  EXPECT_EQ(property("small"), R"({"type":"integer","default":0,"description":"an int"})");
  EXPECT_EQ(property("count"), R"({"type":"integer","minimum":1,"default":1,"description":"how many"})");
  EXPECT_EQ(property("seed"), R"({"type":"integer","minimum":0,"default":0,"description":"of the draws"})");
  EXPECT_EQ(property("rate"), R"({"type":"number","exclusiveMinimum":0,"default":0.1,"description":"how fast"})");
  EXPECT_EQ(
      property("list"),
      R"({"type":["array","string"],"items":{"type":"string"},"minLength":1,"minItems":1,"description":"its files"})");
  EXPECT_EQ(property("batch"),
            R"({"anyOf":[{"type":"integer","minimum":1},{"const":"all"}],"default":12,"description":"at a time"})");
  EXPECT_EQ(property("colour"), R"({"enum":["red","green","blue"],"default":"red","description":"its colour"})");
  EXPECT_EQ(property("maybe_rate"), R"({"type":["number","null"],"minimum":0,"exclusiveMaximum":1,"default":null,)"
                                    R"("description":"a share"})");
  EXPECT_EQ(property("maybe_name"), R"({"type":["string","null"],"default":null,"description":"another name"})");
  EXPECT_EQ(schema["properties"]["maybe_time"]["type"], Json::parse(R"(["number", "string", "null"])"));
  EXPECT_EQ(schema["properties"]["maybe_time"]["exclusiveMinimum"], 0);
  EXPECT_EQ(schema["properties"]["maybe_time"]["pattern"], kDurationPattern);
  EXPECT_EQ(schema["properties"]["inner"]["properties"]["size"]["default"], 8);
  EXPECT_EQ(schema["properties"]["inner"]["additionalProperties"], false);
  EXPECT_FALSE(schema["properties"]["inner"].contains("required"));
  EXPECT_EQ(schema["properties"]["$schema"]["type"], "string");  // what the reader passes over
}

TEST(Schema, DescribesTheStructsOfAList) {
  const Json items = json_schema<Shelf>("shelf")["properties"]["items"];
  EXPECT_EQ(items["type"], "array");
  EXPECT_EQ(items["default"], Json::array());
  EXPECT_EQ(items["items"]["properties"]["size"].dump(),
            R"({"type":"integer","minimum":1,"default":8,"description":"of it"})");
  EXPECT_EQ(items["items"]["additionalProperties"], false);
}

TEST(Reference, ListsTheKeysOfTheStructsOfAList) {
  EXPECT_EQ(markdown_reference<Shelf>(), R"(| Key | Value | Default | Meaning |
|---|---|---|---|
| `items` | array of objects | `[]` | what lies on it |
| `items[].size` | integer, at least 1 | `8` | of it |
| `items[].colour` | `red`, `green`, `blue` | `"red"` | red \| green \| blue |
| `rows` | integer, at least 1 | `1` | how many |
)");
}

TEST(Reference, HasATableForTheRootAndEachSection) {
  EXPECT_EQ(markdown_reference<Sample>(), R"(| Key | Value | Default | Meaning |
|---|---|---|---|
| `flag` | true or false | `false` | on or off |
| `small` | integer | `0` | an int |
| `count` | integer, at least 1 | `1` | how many |
| `seed` | integer | `0` | of the draws |
| `rate` | number, more than 0 | `0.1` | how fast |
| `name` | string | `""` | what it is called |
| `list` | string, or an array of strings | required | its files |
| `batch` | integer, at least 1, or "all" | `12` | at a time |
| `colour` | `red`, `green`, `blue` | `"red"` | its colour |
| `maybe` | integer, at least 1 and at most 9, or null | `null` | a digit |
| `maybe_rate` | number, at least 0 and less than 1, or null | `null` | a share |
| `maybe_name` | string, or null | `null` | another name |
| `maybe_time` | duration as in "1h30m" or seconds, more than 0, or null | `null` | how long |

### inner: what is in it

| Key | Value | Default | Meaning |
|---|---|---|---|
| `size` | integer, at least 1 | `8` | of it |
| `colour` | `red`, `green`, `blue` | `"red"` | red \| green \| blue |
)");
}

}  // namespace
}  // namespace kiln
