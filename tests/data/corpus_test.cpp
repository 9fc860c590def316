// Documents: what splits them, what is held out, and that not a byte is lost.
#include "kiln/data/corpus.h"

#include "kiln/core/file.h"

#include <gmock/gmock.h>

#include "data/small_data.h"
#include "support/compress.h"
#include "support/scratch.h"
#include <cstdlib>

namespace kiln {
namespace {

using ::kiln::testing::config_of;
using ::kiln::testing::expect_error;
using ::kiln::testing::Scratch;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::string joined(const Documents& documents) {
  std::string text;
  for (std::string_view document : documents) text += document;
  return text;
}

Documents split(std::string_view text, std::string_view separator = "<|endoftext|>") {
  Documents documents;
  split_documents(text, separator, documents);
  return documents;
}

TEST(SplitDocuments, SeparatorLinesBelongToNoDocument) {
  EXPECT_THAT(split("one\nmore\n<|endoftext|>\ntwo\n<|endoftext|>\nthree"),
              ElementsAre("one\nmore\n", "two\n", "three"));
}

TEST(SplitDocuments, OnlyAWholeLineSeparates) {
  for (const char* text :
       {"a <|endoftext|>\nb", "<|endoftext|> \nb", "a<|endoftext|>b", "<|endoftext|><|endoftext|>\n"}) {
    EXPECT_THAT(split(text), ElementsAre(text));
  }
}

TEST(SplitDocuments, EmptyDocumentsAreLeftOut) {
  EXPECT_THAT(split("<|endoftext|>\n<|endoftext|>\na\n<|endoftext|>\n<|endoftext|>"), ElementsAre("a\n"));
  EXPECT_THAT(split("<|endoftext|>"), IsEmpty());
  EXPECT_THAT(split(""), IsEmpty());
  EXPECT_THAT(split("\n<|endoftext|>\n\n"), ElementsAre("\n", "\n"));
}

TEST(SplitDocuments, LinesMayEndWithCarriageReturnAndLineFeed) {
  EXPECT_THAT(split("a\r\n<|endoftext|>\r\nb\r\n"), ElementsAre("a\r\n", "b\r\n"));
}

TEST(CountCharacters, CountsCodePointsAndAcceptsAnyBytes) {
  EXPECT_EQ(count_characters(""), 0);
  EXPECT_EQ(count_characters("aé漢🙂"), 4);
  EXPECT_EQ(count_characters("\xFF\xFE\x80\x80"), 2);
}

TEST(CutTail, CutsAtACharacter) {
  Documents documents{"aé漢🙂bcdefg"};  // 10 characters, 16 bytes
  const Documents tail = cut_tail(documents, 0.7);
  EXPECT_THAT(documents, ElementsAre("aé漢"));
  EXPECT_THAT(tail, ElementsAre("🙂bcdefg"));
}

TEST(CutTail, SplitsTheDocumentItFallsIntoAndMovesThoseAfterIt) {
  Documents documents{"abcd", "efgh", "ij"};
  const Documents tail = cut_tail(documents, 0.5);
  EXPECT_THAT(documents, ElementsAre("abcd", "e"));
  EXPECT_THAT(tail, ElementsAre("fgh", "ij"));
}

TEST(CutTail, LeavesDocumentsWholeWhereTheCutFallsBetweenThem) {
  Documents documents{"abcd", "efgh"};
  EXPECT_THAT(cut_tail(documents, 0.5), ElementsAre("efgh"));
  EXPECT_THAT(documents, ElementsAre("abcd"));
}

TEST(CutTail, HandlesNothingAtAllAndFractionZero) {
  Documents none;
  EXPECT_THAT(cut_tail(none, 0.5), IsEmpty());
  Documents documents{"abc"};
  EXPECT_THAT(cut_tail(documents, 0), IsEmpty());
  EXPECT_THAT(documents, ElementsAre("abc"));
}

TEST(CutTail, InvalidBytesAreNeitherLostNorFatal) {
  const std::string text =
      "\x80\x80\xFF\xC3"
      "ab\x9F\xF0\x9F\x99"
      "c\xED\xA0\x80";
  for (double fraction : {0.1, 0.3, 0.5, 0.7, 0.9, 0.99}) {
    Documents documents{text};
    const Documents tail = cut_tail(documents, fraction);
    EXPECT_EQ(joined(documents) + joined(tail), text);
  }
}

TEST(Corpus, EveryByteOfATextFileIsKept) {
  Scratch scratch;
  std::string text =
      "\xEF\xBB\xBF"
      "line\r\nnul:";
  text += '\0';
  text += "\xFF\xC0 <|endoftext|> no newline at the end";
  Corpus corpus(config_of({scratch.write("a.txt", text)}));
  EXPECT_THAT(corpus.train(), ElementsAre(text));
  EXPECT_THAT(corpus.validation(), IsEmpty());
  EXPECT_FALSE(corpus.has_several_documents());
}

TEST(Corpus, EachTextFileIsADocumentAndEmptyOnesAreNone) {
  Scratch scratch;
  scratch.write("b.txt", "bb");
  scratch.write("a.txt", "a");
  scratch.write("c.txt", "");
  Corpus corpus(config_of({scratch.path().string()}));
  EXPECT_THAT(corpus.train(), ElementsAre("a", "bb"));
  EXPECT_TRUE(corpus.has_several_documents());
}

TEST(Corpus, SeparatorSplitsAndTheFractionIsOfTheWholeText) {
  Scratch scratch;
  DataConfig config = config_of({scratch.write("a.txt", "1234\n---\n5678\n---\n9")}, 0.5);
  config.document_separator = "---";
  Corpus corpus(config);
  EXPECT_THAT(corpus.train(), ElementsAre("1234\n"));  // int(11 * 0.5) = 5 characters
  EXPECT_THAT(corpus.validation(), ElementsAre("5678\n", "9"));
  EXPECT_TRUE(corpus.has_several_documents());
}

TEST(Corpus, OneDocumentThatTheFractionCutsIsStillOne) {
  Scratch scratch;
  Corpus corpus(config_of({scratch.write("a.txt", "0123456789")}, 0.1));
  EXPECT_THAT(corpus.train(), ElementsAre("012345678"));
  EXPECT_THAT(corpus.validation(), ElementsAre("9"));
  EXPECT_FALSE(corpus.has_several_documents());
}

TEST(Corpus, NothingIsHeldOutWhereValidationIsGiven) {
  Scratch scratch;
  DataConfig config = config_of({scratch.write("a.txt", "0123456789")}, 0.5);
  config.validation = {scratch.write("v.txt", "held out")};
  Corpus corpus(config);
  EXPECT_THAT(corpus.train(), ElementsAre("0123456789"));
  EXPECT_THAT(corpus.validation(), ElementsAre("held out"));
}

TEST(Corpus, JsonLinesHoldOneDocumentEach) {
  Scratch scratch;
  const std::string file = scratch.write("a.jsonl",
                                         "{\"text\": \"one\\ntwo \\u00e9\\u0000\", \"id\": 3}\r\n"
                                         "\n"
                                         "{\"text\": \"\"}\n"
                                         "{\"id\": 4, \"text\": \"x\"}");
  Corpus corpus(config_of({file}));
  EXPECT_THAT(corpus.train(), ElementsAre(std::string("one\ntwo é\0", 11), "x"));
}

TEST(Corpus, TheFieldOfJsonLinesCanBeChosen) {
  Scratch scratch;
  DataConfig config =
      config_of({scratch.write("a.jsonl", "{\"text\": \"no\", \"story\": \"one\"}\n{\"story\": \"two\"}\n")});
  config.text_field = "story";
  EXPECT_THAT(Corpus(config).train(), ElementsAre("one", "two"));
}

TEST(Corpus, EveryByteHasAPlace) {
  Scratch scratch;
  DataConfig config = config_of({scratch.write("a.txt", "one\n---\ntwo\n"),
                                 scratch.write("b.jsonl", "\n{\"text\": \"three\"}\n{\"text\": \"four\"}\n")},
                                0.17);
  config.document_separator = "---";
  const Corpus corpus(config);
  const auto place = [&](std::string_view document, std::size_t at) {
    const TextPlace found = corpus.place_of(document.data() + at);
    return fmt::format("{} {}", std::filesystem::path(found.name).filename().string(), found.offset);
  };
  ASSERT_THAT(corpus.train(), ElementsAre("one\n", "two\n", "three", "f"));
  ASSERT_THAT(corpus.validation(), ElementsAre("our"));
  EXPECT_EQ(place(corpus.train()[1], 2), "a.txt 10");
  EXPECT_EQ(place(corpus.train()[2], 4), "b.jsonl:2 4");
  EXPECT_EQ(place(corpus.train()[3], 0), "b.jsonl:3 0");
  EXPECT_EQ(place(corpus.validation()[0], 2), "b.jsonl:3 3");
  EXPECT_TRUE(corpus.is_cut_within_document());
  config.validation_fraction = 0.2;  // four characters of 17
  EXPECT_FALSE(Corpus(config).is_cut_within_document());
}

TEST(Corpus, DocumentsOutliveAMove) {
  Scratch scratch;
  Corpus corpus(config_of({scratch.write("a.txt", "abc"), scratch.write("b.jsonl", "{\"text\":\"d\"}")}));
  const Corpus moved = std::move(corpus);
  EXPECT_THAT(moved.train(), ElementsAre("abc", "d"));
}

TEST(Corpus, BadJsonLinesAreNamedByFileAndLine) {
  Scratch scratch;
  const auto expect_bad = [&](const std::string& lines, const std::string& text) {
    const std::string file = scratch.write("a.jsonl", lines);
    expect_error(ExitCode::bad_input, file + text, [&] { Corpus corpus(config_of({file})); });
  };
  const std::string json = " not valid JSON; each line of a .jsonl file is one JSON object";
  const std::string field = " no field \"text\" that is a string";
  expect_bad("{\"text\": \"a\"}\n{\"text\": \"b\"\n", ":2:" + json);
  expect_bad("{\"text\": \"\xFF\"}\n", ":1:" + json);
  expect_bad(std::string("{\"text\": \"a\"}\n{\"text\": \"b\"}\0, \"lost\"\n", 35), ":2:" + json);
  expect_bad("\n\n{\"content\": \"a\", \"id\": 3, \"title\": \"b\"}\n",
             ":3:" + field + "; it has \"content\", \"title\", which data.text_field (--text-field) can name");
  expect_bad("{\"id\": 3}\n", ":1:" + field);
  expect_bad(R"({"messages": [{"role": "user", "content": "a"}]})",
             ":1:" + field +
                 "; it has \"messages\", so it is a conversation: objective.type sft trains on it, and kiln "
                 "eval scores it with --template");
  expect_bad("{\"text\": 7}", ":1:" + field);
  expect_bad("[\"text\"]", ":1:" + field);
}

TEST(Corpus, ASeparatorOfSeveralLinesIsRefused) {
  DataConfig config = config_of({"a.txt"});
  config.document_separator = "---\n";
  expect_error(ExitCode::usage,
               "data.document_separator: holds a line feed, but is compared with single lines without their ends; "
               "leave it out",
               [&] { Corpus corpus(config); });
}

TEST(Corpus, CompressedFilesAreReadAsWhatTheyHold) {
  Scratch scratch;
  const std::string gz = scratch.write("d/a.txt.gz", testing::gzip("one\n---\ntwo"));
  const std::string zst =
      scratch.write("d/b.jsonl.ZST", testing::zstd("{\"text\": \"three\"}\n\n{\"text\": \"four\"}"));
  DataConfig config = config_of({scratch.path("d").string()});
  config.document_separator = "---";
  const Corpus corpus(config);
  EXPECT_THAT(corpus.train(), ElementsAre("one\n", "two", "three", "four"));
  EXPECT_EQ(corpus.place_of(corpus.train()[1].data() + 1).name, gz);
  EXPECT_EQ(corpus.place_of(corpus.train()[1].data() + 1).offset, 9u) << "in the decompressed text";
  EXPECT_EQ(corpus.place_of(corpus.train()[3].data()).name, zst + ":3");
}

TEST(Corpus, AnArrayOfObjectsHoldsADocumentInEach) {
  Scratch scratch;
  const std::string file =
      scratch.write("a.JSON", "\n[{\"text\": \"one\"}, {\"text\": \"\"},\n {\"id\": 3, \"text\": \"three\"}]\n");
  const std::string packed = scratch.write("b.json.gz", testing::gzip("[ {\"text\": \"four\"} ]"));
  const Corpus corpus(config_of({file, packed}));
  EXPECT_THAT(corpus.train(), ElementsAre("one", "three", "four"));
  const TextPlace place = corpus.place_of(corpus.train()[1].data() + 2);
  EXPECT_EQ(place.name, file + "[2]");
  EXPECT_EQ(place.offset, 2u);
  const std::string other = scratch.write("c.json", "[{\"text\": \"one\"}, {\"story\": \"two\"}]");
  expect_error(ExitCode::bad_input,
               other +
                   "[1]: no field \"text\" that is a string; it has \"story\", which data.text_field (--text-field) "
                   "can name",
               [&] { Corpus corpus(config_of({other})); });
}

TEST(Corpus, OfJudgedAnswersItNamesTheObjective) {
  Scratch scratch;
  const std::string file = scratch.write("a.jsonl", R"({"prompt": "q", "chosen": "a", "rejected": "b"})");
  expect_error(ExitCode::bad_input,
               file +
                   ":1: no field \"text\" that is a string; it is a judged pair, which objective.type reward, dpo and "
                   "ipo train on, in a config",
               [&] { Corpus corpus(config_of({file})); });
}

TEST(Corpus, CompressedFilesMustBeSoundAndHoldText) {
  Scratch scratch;
  const std::string cut = scratch.write("a.txt.gz", testing::gzip("some text").substr(0, 15));
  expect_error(ExitCode::bad_input, cut + ": the gzip data is cut short; download it again, or compress it again",
               [&] { Corpus corpus(config_of({cut})); });
  const std::string twice = scratch.write("b.txt.zst", testing::zstd(testing::gzip("some text")));
  expect_error(
      ExitCode::bad_input,
      twice + ": is compressed by gzip; text is expected: decompress it (gzip -dc < FILE > NEW) and name the result",
      [&] { Corpus corpus(config_of({twice})); });
  const std::string array = scratch.write("c.json.gz", testing::gzip("[1, 2]"));
  expect_error(ExitCode::bad_input,
               array +
                   ": is a JSON array without objects; text is expected: make an object of each text (jq '[.[] | "
                   "{text: .}]' FILE > NAME.json) and name that",
               [&] { Corpus corpus(config_of({array})); });
}

TEST(Corpus, TokenFilesAreNotText) {
  Scratch scratch;
  const std::string file = scratch.write("a.bin", "ab");
  expect_error(ExitCode::usage, "data.train: " + file + " is a token file; text is expected here",
               [&] { Corpus corpus(config_of({file})); });
}

// On the file itself where it is at hand (KILN_TINYSHAKESPEARE names another place), else on as many characters.
TEST(Corpus, TinyShakespeareSplitsAsNanoGptSplitsIt) {
  const char* given = std::getenv("KILN_TINYSHAKESPEARE");
  std::filesystem::path file = given != nullptr ? given : KILN_SOURCE_DIR "/data/tinyshakespeare.txt";
  if (!std::filesystem::exists(file)) file = KILN_SOURCE_DIR "/../shared/data/tinyshakespeare.txt";
  Scratch scratch;
  if (!std::filesystem::exists(file)) file = scratch.write("as-long.txt", std::string(1'115'394, 'a'));
  Corpus corpus(config_of({file.string()}, 0.1));
  ASSERT_THAT(corpus.train(), ::testing::SizeIs(1));
  ASSERT_THAT(corpus.validation(), ::testing::SizeIs(1));
  EXPECT_EQ(count_characters(corpus.train()[0]), 1'003'854);
  EXPECT_EQ(count_characters(corpus.validation()[0]), 111'540);
}

/// A process may map some 65,000 files and no more.
TEST(Corpus, SmallFilesAreNotMapped) {
  Scratch scratch;
  for (int i = 0; i < 20; ++i) scratch.write(fmt::format("{}.txt", i), "some text\n");
  scratch.write("large.txt", std::string(100'000, 'a'));
  const Corpus corpus(config_of({scratch.path("*.txt").string()}));
  ASSERT_THAT(corpus.train(), ::testing::SizeIs(21));
  EXPECT_EQ(corpus.train()[0], "some text\n");
  const std::string maps = read_file("/proc/self/maps");
  EXPECT_THAT(maps, ::testing::HasSubstr(scratch.path("large.txt").string()));
  EXPECT_THAT(maps, ::testing::Not(::testing::HasSubstr(scratch.path("1.txt").string())));
}

TEST(Corpus, MultibyteTextSplitsByCharactersNotBytes) {
  Scratch scratch;
  std::string text;
  for (int i = 0; i < 1'000; ++i) text += "aé漢🙂 ";  // 5 characters, 11 bytes
  Corpus corpus(config_of({scratch.write("a.txt", text)}, 0.1));
  EXPECT_EQ(count_characters(corpus.train()[0]), 4'500);
  EXPECT_EQ(corpus.train()[0].size(), 9'900u);
  EXPECT_EQ(count_characters(corpus.validation()[0]), 500);
}

}  // namespace
}  // namespace kiln
