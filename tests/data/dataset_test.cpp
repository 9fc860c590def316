// From files to tokens: what is inserted, what is cached, and when the cache is made again.
#include "kiln/data/dataset.h"

#include "kiln/core/file.h"
#include "kiln/core/file_lock.h"
#include "kiln/core/threads.h"
#include "kiln/text/document.h"

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "data/small_data.h"
#include "support/scratch.h"
#include <atomic>
#include <vector>

namespace kiln {
namespace {

using ::kiln::testing::all;
using ::kiln::testing::config_of;
using ::kiln::testing::expect_error;
using ::kiln::testing::Scratch;
using ::kiln::testing::Tokens;
using ::testing::ElementsAre;
using ::testing::SizeIs;

/// One token a byte, moved by `shift`; refuses the byte '#', and counts the texts it encodes.
class TestTokenizer final : public Tokenizer {
 public:
  explicit TestTokenizer(std::int32_t shift = 0, std::vector<SpecialToken> special = {{std::string(kEndOfText), 300}})
      : Tokenizer(std::move(special)), shift_(shift) {}

  std::string_view type() const override { return "test"; }
  std::int64_t vocab_size() const override { return shift_ + 301; }
  std::string token_bytes(TokenId id) const override { return std::string(1, static_cast<char>(id - shift_)); }
  Json to_json() const override { return {{"shift", shift_}}; }
  int encoded() const { return encoded_; }

 protected:
  void encode_text(std::string_view text, std::size_t, std::vector<TokenId>& ids) const override {
    check(text.find('#') == std::string_view::npos, "no token for \"#\"");
    for (const char c : text) ids.push_back(static_cast<unsigned char>(c) + shift_);
    ++encoded_;
  }

 private:
  std::int32_t shift_;
  mutable std::atomic<int> encoded_ = 0;
};

Dataset as_tokens(const Corpus& corpus, const Tokenizer& tokenizer, const std::filesystem::path& cache = {}) {
  return encode_corpus(corpus, tokenizer, special_ids(tokenizer, TokenizerConfig()).marks(), cache);
}

/// Those of tokens.
std::vector<std::filesystem::path> files_in(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> files;
  if (!std::filesystem::exists(folder)) return files;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() == ".bin") files.push_back(entry.path());
  }
  return files;
}

/// Two that wrote the same file would spoil it.
TEST(EncodeCorpus, OneProcessAtATimeFillsACache) {
  Scratch scratch;
  const std::filesystem::path cache = scratch.path("tokens");
  std::filesystem::create_directory(cache);
  const Corpus corpus(config_of({scratch.write("a.txt", "ab")}));
  const TestTokenizer tokenizer;
  {
    const FileLock other(cache / "lock");
    expect_error(ExitCode::usage,
                 fmt::format("{}: in use by process {}; wait until it ends", cache.string(), ::getpid()),
                 [&] { as_tokens(corpus, tokenizer, cache); });
  }
  EXPECT_EQ(as_tokens(corpus, tokenizer, cache).train.size(), 2);
  const FileLock other(cache / "lock");
  EXPECT_EQ(as_tokens(corpus, tokenizer, cache).train.size(), 2) << "what is there is read without it";
}

TEST(EncodeCorpus, OneDocumentIsItsTextAlone) {
  Scratch scratch;
  const TestTokenizer tokenizer;
  const Dataset data = as_tokens(Corpus(config_of({scratch.write("a.txt", "ab<|endoftext|>")}, 0.9)), tokenizer);
  EXPECT_THAT(all(data.train), ElementsAre('a'));
  EXPECT_EQ(data.validation.size(), 14);
  EXPECT_EQ(data.train.text_bytes(), 1);
  EXPECT_EQ(data.validation.text_bytes(), 14);
}

TEST(EncodeCorpus, EachOfSeveralDocumentsEndsWithTheEndOfText) {
  Scratch scratch;
  DataConfig config = config_of({scratch.write("a.txt", "ab"), scratch.write("b.txt", "c")});
  config.validation = {scratch.write("v.txt", "d")};
  const Dataset data = as_tokens(Corpus(config), TestTokenizer());
  EXPECT_THAT(all(data.train), ElementsAre('a', 'b', 300, 'c', 300));
  EXPECT_THAT(all(data.validation), ElementsAre('d', 300));
  EXPECT_EQ(data.train.text_bytes(), 3);  // of the text alone
}

TEST(EncodeCorpus, WithoutAnEndOfTextTokenNothingIsInserted) {
  Scratch scratch;
  const Corpus corpus(config_of({scratch.write("a.txt", "ab"), scratch.write("b.txt", "c")}));
  EXPECT_THAT(all(as_tokens(corpus, TestTokenizer(0, {})).train), ElementsAre('a', 'b', 'c'));
}

TEST(EncodeCorpus, OtherSpecialTokensAreInsertedByTheirRoles) {
  Scratch scratch;
  const TestTokenizer tokenizer(0, {{std::string(kStart), 298}, {std::string(kEndOfText), 299}});
  const Corpus corpus(config_of({scratch.write("a.jsonl", "{\"text\":\"a\"}\n{\"text\":\"b\"}\n")}));
  EXPECT_THAT(all(as_tokens(corpus, tokenizer).train), ElementsAre(298, 'a', 299, 298, 'b', 299));
}

// The tail begins at its character, be it within a document: that one neither ends before the cut nor starts after it.
TEST(EncodeCorpus, TheCutOfTheTailInsertsNothing) {
  Scratch scratch;
  const TestTokenizer tokenizer(0, {{std::string(kStart), 298}, {std::string(kEndOfText), 299}});
  const std::string lines = scratch.write("a.jsonl", "{\"text\":\"ab\"}\n{\"text\":\"cdef\"}\n");
  const Dataset within = as_tokens(Corpus(config_of({lines}, 0.5)), tokenizer);
  EXPECT_THAT(all(within.train), ElementsAre(298, 'a', 'b', 299, 298, 'c'));
  EXPECT_THAT(all(within.validation), ElementsAre('d', 'e', 'f', 299));
  const Dataset between = as_tokens(Corpus(config_of({lines}, 0.6)), tokenizer);
  EXPECT_THAT(all(between.train), ElementsAre(298, 'a', 'b', 299));
  EXPECT_THAT(all(between.validation), ElementsAre(298, 'c', 'd', 'e', 'f', 299));
  const Dataset one = as_tokens(Corpus(config_of({scratch.write("a.txt", "abcd")}, 0.5)), tokenizer);
  EXPECT_THAT(all(one.train), ElementsAre(298, 'a', 'b'));
  EXPECT_THAT(all(one.validation), ElementsAre('c', 'd'));
}

TEST(EncodeCorpus, OtherMarksAreOtherTokensInTheCacheToo) {
  Scratch scratch;
  const TestTokenizer tokenizer;
  const Corpus corpus(config_of({scratch.write("a.jsonl", "{\"text\":\"a\"}\n{\"text\":\"b\"}\n")}));
  const std::filesystem::path cache = scratch.path("cache");
  const auto train = [&](const DocumentMarks& marks) {
    return all(encode_corpus(corpus, tokenizer, marks, cache).train);
  };
  EXPECT_THAT(train({.start = {}, .end = 300}), ElementsAre('a', 300, 'b', 300));
  EXPECT_THAT(train({.start = 299, .end = 298}), ElementsAre(299, 'a', 298, 299, 'b', 298));
  EXPECT_THAT(train({.start = {}, .end = {}}), ElementsAre('a', 'b'));
  EXPECT_THAT(train({.start = {}, .end = 300}), ElementsAre('a', 300, 'b', 300));
}

TEST(EncodeCorpus, ManyDocumentsComeOutInOrderWhateverTheThreads) {
  Scratch scratch;
  std::string text;
  Tokens expected;
  for (int i = 0; i < 2000; ++i) {
    const std::string document = std::to_string(i) + "\n";
    text += document + "---\n";
    expected.insert(expected.end(), document.begin(), document.end());
    expected.push_back(300);
  }
  text += std::string(std::size_t{9} << 20, 'x') + "\n---\nend";  // longer than a group
  expected.insert(expected.end(), std::size_t{9} << 20, 'x');
  for (const int token : {int{'\n'}, 300, int{'e'}, int{'n'}, int{'d'}, 300}) expected.push_back(token);

  DataConfig config = config_of({scratch.write("a.txt", text)});
  config.document_separator = "---";
  const Corpus corpus(config);
  const int before = threads();
  for (int count : {1, 4}) {
    set_threads(count);
    EXPECT_TRUE(all(as_tokens(corpus, TestTokenizer()).train) == expected) << count << " threads";
  }
  set_threads(before);
}

TEST(EncodeCorpus, AnErrorInAParallelDocumentReachesTheCaller) {
  Scratch scratch;
  const Corpus corpus(
      config_of({scratch.write("a.txt", "a"), scratch.write("b.txt", "#"), scratch.write("c.txt", "c")}));
  expect_error(ExitCode::usage, "no token for \"#\"", [&] { as_tokens(corpus, TestTokenizer()); });
  expect_error(ExitCode::usage, "no token for \"#\"",
               [&] { as_tokens(corpus, TestTokenizer(), scratch.path("cache")); });
  EXPECT_THAT(files_in(scratch.path("cache")), SizeIs(0));
}

TEST(EncodeCorpus, LargeVocabulariesKeepTheirIds) {
  Scratch scratch;
  const Corpus corpus(config_of({scratch.write("a.txt", "ab")}));
  EXPECT_THAT(all(as_tokens(corpus, TestTokenizer(100'000)).train), ElementsAre(100'097, 100'098));
}

/// A corpus, a cache, and how often the tokenizer was asked.
class TokenCache : public ::testing::Test {
 protected:
  TokenCache() { config_.train = {scratch_.write("a.txt", "0123456789")}; }

  /// Encodes the text or reads the cache; returns how many texts were encoded for it.
  int encode(const TestTokenizer& tokenizer = TestTokenizer()) {
    const int before = tokenizer.encoded();
    data_ = as_tokens(Corpus(config_), tokenizer, scratch_.path("run/cache"));
    return tokenizer.encoded() - before;
  }
  std::filesystem::path cached(std::string_view split) const {
    for (const auto& file : files_in(scratch_.path("run/cache"))) {
      if (file.filename().string().starts_with(split)) return file;
    }
    return {};
  }

  Scratch scratch_;
  DataConfig config_;
  Dataset data_;
};

TEST_F(TokenCache, IsUsedAgain) {
  EXPECT_EQ(encode(), 2);
  const Tokens train = all(data_.train), validation = all(data_.validation);
  EXPECT_THAT(train, SizeIs(9));
  EXPECT_THAT(validation, ElementsAre('9'));
  EXPECT_EQ(encode(), 0);
  EXPECT_EQ(all(data_.train), train);
  EXPECT_EQ(all(data_.validation), validation);
  EXPECT_EQ(data_.validation.text_bytes(), 1);
  EXPECT_THAT(files_in(scratch_.path("run/cache")), SizeIs(2));  // no temporary is left
}

TEST_F(TokenCache, AChangedByteMakesItsSplitAnew) {
  encode();
  scratch_.write("a.txt", "0123456780");
  EXPECT_EQ(encode(), 1);
  EXPECT_THAT(all(data_.validation), ElementsAre('0'));
  scratch_.write("a.txt", "1123456780");
  EXPECT_EQ(encode(), 1);
  EXPECT_EQ(data_.train[0], '1');
}

TEST_F(TokenCache, AnotherTokenizerFractionOrSeparatorMakesItAnew) {
  encode();
  EXPECT_EQ(encode(TestTokenizer(1)), 2);
  EXPECT_EQ(data_.train[0], '1');
  config_.validation_fraction = 0.2;
  EXPECT_EQ(encode(), 2);
  EXPECT_EQ(data_.train.size(), 8);
  config_.train = {scratch_.write("a.txt", "ab\n-\ncd\n")};
  encode();
  config_.document_separator = "-";
  EXPECT_EQ(encode(), 3);
  EXPECT_THAT(all(data_.train), ElementsAre('a', 'b', '\n', 300, 'c'));  // int(6 * 0.8) = 4 characters
}

TEST_F(TokenCache, DocumentBoundariesCount) {
  config_.validation_fraction = 0;
  config_.train = {scratch_.write("a.txt", "ab"), scratch_.write("b.txt", "c")};
  encode();
  config_.train = {scratch_.write("a.txt", "a"), scratch_.write("b.txt", "bc")};
  EXPECT_EQ(encode(), 2);
  EXPECT_THAT(all(data_.train), ElementsAre('a', 300, 'b', 'c', 300));
}

/// Tokens that were cached when the cut still inserted some: they are used where it does not matter, and by runs that
/// were trained on them.
TEST_F(TokenCache, TokensOfBeforeAreUsedUnlessTheCutSplitsADocument) {
  const auto cache = scratch_.path("run/cache");
  std::filesystem::create_directories(cache);
  const auto write_earlier = [&](const char* split, std::initializer_list<std::string_view> documents) {
    const std::uint64_t maker = hash_bytes(format_json(TestTokenizer().to_json()));
    std::uint64_t key = hash_bytes(fmt::format("encode 2 {} 1", maker));
    for (const std::string_view document : documents) key = hash_bytes(document, key);
    write_token_file(cache / fmt::format("{}-{}.bin", split, hex(key)), Tokens{7}, 301);
  };
  const auto find = [&] {
    const DocumentMarks marks{.start = {}, .end = 300};
    return all(find_encoded(Corpus(config_), TestTokenizer(), marks, cache)->train);
  };
  config_.train = {scratch_.write("a.jsonl", "{\"text\":\"ab\"}\n{\"text\":\"cdef\"}\n")};
  write_earlier("train", {"ab"});
  write_earlier("train", {"ab", "c"});
  write_earlier("validation", {"def"});
  config_.validation_fraction = 0.6;  // after "ab"
  EXPECT_EQ(encode(), 1);
  EXPECT_THAT(all(data_.train), ElementsAre(7));
  config_.validation_fraction = 0.5;  // after "c"
  EXPECT_THAT(find(), ElementsAre(7));
  EXPECT_EQ(encode(), 2);
  EXPECT_THAT(all(data_.train), ElementsAre('a', 'b', 300, 'c'));
  EXPECT_THAT(all(data_.validation), ElementsAre(7));  // whose first document has no start either way
  EXPECT_THAT(find(), ElementsAre('a', 'b', 300, 'c'));
}

TEST_F(TokenCache, ADamagedFileIsMadeAnew) {
  encode();
  const std::filesystem::path file = cached("train-");
  const std::string good = read_file(file);
  std::string flipped = good;
  flipped.back() ^= 1;
  for (const std::string& bad : {good.substr(0, good.size() - 2), good.substr(0, 1001), good.substr(0, 1),
                                 std::string(), good + "x", flipped, std::string(good.size(), '\0')}) {
    std::ofstream(file, std::ios::binary) << bad;
    EXPECT_EQ(encode(), 1) << bad.size();
    EXPECT_EQ(read_file(file), good);
    EXPECT_EQ(data_.train.size(), 9);
  }
}

TEST_F(TokenCache, AnUnwritableFolderIsAnErrorOfTheDisk) {
  const std::string blocked = scratch_.write("file", "in the way");
  expect_error(ExitCode::io, blocked + ": the folder cannot be made: File exists",
               [&] { as_tokens(Corpus(config_), TestTokenizer(), blocked + "/cache"); });
}

class TokenDataset : public ::testing::Test {
 protected:
  std::string write(std::string_view name, const std::vector<std::uint16_t>& ids) {
    return scratch_.write(name, {reinterpret_cast<const char*>(ids.data()), 2 * ids.size()});
  }

  Scratch scratch_;
};

TEST_F(TokenDataset, TheFractionCutsByTokens) {
  const Dataset data = open_token_dataset(config_of({write("a.bin", {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10})}, 0.1), 11);
  EXPECT_THAT(all(data.train), ElementsAre(0, 1, 2, 3, 4, 5, 6, 7, 8));  // int(11 * 0.9)
  EXPECT_THAT(all(data.validation), ElementsAre(9, 10));
}

TEST_F(TokenDataset, ValidationFilesLeaveTrainWhole) {
  DataConfig config = config_of({write("a.bin", {1, 2, 3})}, 0.5);
  config.validation = {write("v.bin", {4, 5})};
  const Dataset data = open_token_dataset(config, 11);
  EXPECT_THAT(all(data.train), ElementsAre(1, 2, 3));
  EXPECT_THAT(all(data.validation), ElementsAre(4, 5));
}

TEST_F(TokenDataset, SeveralFilesAreJoinedOnceInTheCache) {
  const DataConfig config = config_of({write("a.bin", {1, 2, 3}), write("b.bin", {70, 5})});
  const auto cache = scratch_.path("cache");
  EXPECT_THAT(all(open_token_dataset(config, 100, {}, cache).train), ElementsAre(1, 2, 3, 70, 5));
  EXPECT_THAT(all(open_token_dataset(config, 100, {}, cache).train), ElementsAre(1, 2, 3, 70, 5));
  EXPECT_THAT(files_in(cache), SizeIs(1));
  EXPECT_THAT(all(open_token_dataset(config, 100).train), ElementsAre(1, 2, 3, 70, 5));
  write("b.bin", {70, 6});
  EXPECT_THAT(all(open_token_dataset(config, 100, {}, cache).train), ElementsAre(1, 2, 3, 70, 6));
}

TEST_F(TokenDataset, JoinedFilesKnowTheirTextWhereAllDo) {
  const auto spelling = [&](std::string_view name, Index text_bytes) {
    TokenFileBuilder builder(100);
    builder.append(Tokens{1, 2}, text_bytes);
    return scratch_.write(name, builder.finish());
  };
  const std::string a = spelling("a.bin", 5), b = spelling("b.bin", 7), unknown = write("c.bin", {3});
  EXPECT_EQ(open_token_dataset(config_of({a, b}), 100).train.text_bytes(), 12);
  EXPECT_EQ(open_token_dataset(config_of({a, unknown}), 100).train.text_bytes(), std::nullopt);
}

TEST_F(TokenDataset, ATokenBeyondTheVocabularyIsRefused) {
  const std::string file = write("a.bin", {1, 2, 300});
  expect_error(ExitCode::bad_input,
               file +
                   ": token 300 at byte offset 4 is not below the vocabulary's size, 65; was the file made with "
                   "another tokenizer?",
               [&] { open_token_dataset(config_of({file}), 65); });
}

TEST_F(TokenDataset, TextIsNotTokens) {
  const std::string text = scratch_.write("a.txt", "abc"), tokens = write("a.bin", {1, 2});
  DataConfig config = config_of({tokens});
  EXPECT_TRUE(names_token_files(config));
  EXPECT_FALSE(names_token_files(config_of({text})));
  config.validation = {text};
  expect_error(ExitCode::usage, "data.validation: " + text + " is text, but data.train is token files; give one kind",
               [&] { names_token_files(config); });
  expect_error(ExitCode::usage, "data.validation: " + text + " is text; a token file (.bin) is expected here",
               [&] { open_token_dataset(config, 10); });
}

}  // namespace
}  // namespace kiln
