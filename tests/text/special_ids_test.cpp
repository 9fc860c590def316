// The rule of which tokens begin and end texts, case by case.
#include "kiln/text/special_ids.h"

#include <gmock/gmock.h>

#include "fixtures.h"
#include "text/byte_tokenizer.h"

namespace kiln {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

ByteTokenizer bytes_with(std::vector<std::string> special) {
  return ByteTokenizer(number_special_tokens(special, kByteCount));
}

TokenizerConfig names(std::optional<std::string> start, std::optional<std::string> end) {
  TokenizerConfig config;
  config.start_of_text = std::move(start);
  config.end_of_text = std::move(end);
  return config;
}

TEST(SpecialIds, FromNothingTheUsualNamesCount) {
  const SpecialIds ids = special_ids(bytes_with({"<|endoftext|>", "<|start|>"}), {});
  EXPECT_EQ(ids.marks(), (DocumentMarks{257, 256}));
  EXPECT_EQ(ids.begin, 257);
  EXPECT_THAT(ids.ends, ElementsAre(256));
  EXPECT_EQ(special_ids(bytes_with({}), {}), SpecialIds());
}

TEST(SpecialIds, TheConfigNamesOthers) {
  const ByteTokenizer tokenizer = bytes_with({"<s>", "</s>", "<|endoftext|>"});
  const SpecialIds ids = special_ids(tokenizer, names("<s>", "</s>"));
  EXPECT_EQ(ids.marks(), (DocumentMarks{256, 257}));
  EXPECT_THAT(ids.ends, ElementsAre(257)) << "<|endoftext|> has no role then";
  EXPECT_EQ(special_ids(tokenizer, names("", "")).marks(), DocumentMarks());
  EXPECT_EQ(special_ids(tokenizer, names({}, "\n")).end, '\n') << "any token of that text";
  testing::expect_error(ExitCode::usage, {"tokenizer.end_of_text", "\"<end>\"", "\"<s>\", \"</s>\""},
                        [&] { special_ids(tokenizer, names({}, "<end>")); });
}

TEST(SpecialIds, AModelsOwnComeBeforeTheUsualNames) {
  const ByteTokenizer tokenizer = bytes_with({"<|endoftext|>", "<|im_end|>", "<s>"});
  const SpecialIds one = special_ids(tokenizer, {}, {.begin = 258, .ends = {257}});
  EXPECT_EQ(one.marks(), (DocumentMarks{{}, 257})) << "a begin that the tokenizer does not add is not inserted";
  EXPECT_EQ(one.begin, 258);
  EXPECT_THAT(one.ends, ElementsAre(257));
  const SpecialIds added = special_ids(tokenizer, {}, {.begin = 258, .ends = {257}, .begins_documents = true});
  EXPECT_EQ(added.start, 258);
}

TEST(SpecialIds, OfSeveralTheTokenizersEndEndsDocuments) {
  const ByteTokenizer tokenizer = bytes_with({"<|endoftext|>", "<|im_end|>", "<|eot|>"});
  EXPECT_THAT(special_ids(tokenizer, {}, {.ends = {258, 257, 258}}).ends, ElementsAre(258, 257));
  EXPECT_THAT(special_ids(tokenizer, {}, {.ends = {258, 257}, .end_text = "<|im_end|>"}).ends, ElementsAre(257, 258));
  EXPECT_THAT(special_ids(tokenizer, {}, {.ends = {258}, .end_text = "<|im_end|>"}).ends, ElementsAre(258))
      << "the one id that the model names";
  EXPECT_THAT(special_ids(tokenizer, {}, {.end_text = "<|im_end|>"}).ends, ElementsAre(257));
  const NamedTokens both{.ends = {257}, .further_ends = {256, 257, 258}, .end_text = "<|endoftext|>"};
  EXPECT_THAT(special_ids(tokenizer, {}, both).ends, ElementsAre(257, 256, 258)) << "config.json's before the others";
  EXPECT_THAT(special_ids(tokenizer, {}, {.further_ends = {258, 256}, .end_text = "<|endoftext|>"}).ends,
              ElementsAre(256, 258));
  EXPECT_THAT(special_ids(tokenizer, names({}, "<|endoftext|>"), {.ends = {258, 257}}).ends,
              ElementsAre(256, 258, 257));
  const SpecialIds open = special_ids(tokenizer, names({}, ""), {.ends = {258, 257}});
  EXPECT_EQ(open.end, std::nullopt);
  EXPECT_THAT(open.ends, ElementsAre(258, 257)) << "samples still end";
  EXPECT_THAT(special_ids(tokenizer, names({}, ""), {.ends = {999, -1}}).ends, IsEmpty());
}

TEST(SpecialIds, PaddingIsATokenOfNoText) {
  const ByteTokenizer tokenizer =
      bytes_with({"<s>", "</s>", "<|im_start|>", "<|paragraph|>", "<unused>", "<|endofsentence|>", "<pad>"});
  const SpecialIds ids{.start = 256, .begin = 256, .ends = {257}, .end = 257};
  EXPECT_EQ(padding_id(tokenizer, ids, ""), 262) << "named for it";
  EXPECT_EQ(padding_id(tokenizer, {.ends = {262}}, "<s></s><|im_start|>"), 260)
      << "the pad ends texts, as in many models";
  EXPECT_EQ(padding_id(tokenizer, {.start = 256, .ends = {257, 262}}, "'<|im_start|>' + x + '<unused>'"), 255)
      << "a byte that no UTF-8 text has";
  EXPECT_EQ(padding_id(bytes_with({}), {}, ""), 255);
  EXPECT_EQ(padding_id(ByteTokenizer({{"<pad>", 256, true}}), {}, ""), 255) << "found in any text";
}

TEST(SpecialIds, NamesInTheConfigGiveTheSameIds) {
  const ByteTokenizer tokenizer = bytes_with({"<s>", "</s>"});
  const NamedTokens named{.begin = 256, .ends = {257, 7}, .begins_documents = true};
  const SpecialIds ids = special_ids(tokenizer, {}, named);
  const TokenizerConfig config = with_names({}, tokenizer, ids);
  EXPECT_EQ(config.start_of_text, "<s>");
  EXPECT_EQ(config.end_of_text, "</s>");
  EXPECT_EQ(special_ids(tokenizer, config, named), ids);
  EXPECT_EQ(with_names({}, tokenizer, SpecialIds()).end_of_text, "");
  EXPECT_EQ(with_names({}, tokenizer, {.ends = {200}, .end = 200}).end_of_text, "") << "a byte that no text names";
}

TEST(SpecialIds, OlderRunsMayNameTheUsualTokensWithoutHavingThem) {
  EXPECT_EQ(special_ids(bytes_with({}), names("<|start|>", "<|endoftext|>")), SpecialIds());
}

TEST(SpecialIds, AreDescribedInWords) {
  const ByteTokenizer tokenizer = bytes_with({"<s>", "</s>"});
  EXPECT_EQ(describe({256, 257}, tokenizer), "documents begin with <s> (id 256) and end with </s> (id 257)");
  EXPECT_EQ(describe({{}, 257}, tokenizer), "documents end with </s> (id 257)");
  EXPECT_EQ(describe({}, tokenizer), "");
}

}  // namespace
}  // namespace kiln
