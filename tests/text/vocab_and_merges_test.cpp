// Folders with a tokenizer: vocab.json and merges.txt, the files that add tokens, and what is refused.
#include "kiln/core/file.h"
#include "kiln/text/tokenizer_json.h"

#include "fixtures.h"
#include <cstdlib>
#include <fstream>

namespace kiln {
namespace {

namespace fs = std::filesystem;
using Ids = std::vector<TokenId>;
using testing::expect_error;

struct TemporaryFolder {
  TemporaryFolder() {
    std::string name = (fs::temp_directory_path() / "kiln-text-XXXXXX").string();
    path = mkdtemp(name.data());
  }
  ~TemporaryFolder() { fs::remove_all(path); }
  void write(const std::string& name, std::string_view text) const { std::ofstream(path / name) << text; }
  fs::path path;
};

/// vocab.json and merges.txt of a vocabulary: the 256 bytes, "ab", "abc" and <|endoftext|>.
void write_small_pair(const TemporaryFolder& folder, const std::string& merges = "#version: 0.2\na b\nab c\n") {
  Json vocab = Json::object();
  for (std::size_t id = 0; id < 256; ++id)
    vocab[byte_level_encode(std::string(1, static_cast<char>(kByteOrder[id])))] = id;
  vocab["ab"] = 256;
  vocab["abc"] = 257;
  vocab["<|endoftext|>"] = 258;
  folder.write("vocab.json", vocab.dump());
  folder.write("merges.txt", merges);
}

TEST(VocabAndMerges, LoadsAsAFolder) {
  const TemporaryFolder folder;
  write_small_pair(folder, "#version: 0.2\r\na b\r\nab c\r\n");  // CR is stripped
  const auto tokenizer = load_tokenizer(folder.path);
  EXPECT_EQ(tokenizer->vocab_size(), 259);
  EXPECT_EQ(tokenizer->encode("abc ab"), (Ids{257, 220, 256}));
  EXPECT_EQ(tokenizer->special("<|endoftext|>"), 258);
}

/// The files that slow tokenizers of transformers are saved with.
TEST(VocabAndMerges, TokensOfTheFilesBesideAreRead) {
  const TemporaryFolder folder;
  write_small_pair(folder);  // ids 0 to 258
  Json vocab = parse_json(read_file(folder.path / "vocab.json"), "vocab.json");
  vocab["<s>"] = 259;
  folder.write("vocab.json", vocab.dump());
  folder.write("added_tokens.json", R"({"<|im_end|>": 261, "WORD": 260})");
  folder.write("special_tokens_map.json",
               R"({"eos_token": {"content": "<|im_end|>", "lstrip": false}, "additional_special_tokens": ["<s>"]})");
  const auto tokenizer = load_tokenizer(folder.path);
  EXPECT_EQ(tokenizer->vocab_size(), 262);
  EXPECT_EQ(tokenizer->special("<|im_end|>"), 261);
  EXPECT_EQ(tokenizer->special("<s>"), 259) << "named by a role, it is special though the vocabulary has it";
  EXPECT_EQ(tokenizer->encode("<|im_end|>").size(), 10u) << "special: text unless allowed";
  EXPECT_EQ(tokenizer->encode("<|im_end|>", SpecialTokens::allow), Ids{261});
  EXPECT_EQ(tokenizer->encode("aWORD"), (Ids{64, 260})) << "not special: found in any text";
}

TEST(VocabAndMerges, AddedTokensOfTheConfigComeBeforeThoseOfTheirOwnFile) {
  const TemporaryFolder folder;
  write_small_pair(folder);
  folder.write("added_tokens.json", R"({"ignored": 259})");
  folder.write("tokenizer_config.json",
               R"({"added_tokens_decoder": {"259": {"content": "<s>", "special": true, "lstrip": false}}})");
  EXPECT_EQ(load_tokenizer(folder.path)->special("<s>"), 259);
}

TEST(VocabAndMerges, AddedTokensThatWouldChangeTheIdsAreRefusedByName) {
  const TemporaryFolder folder;
  write_small_pair(folder);
  const auto expect_refusal = [&](const char* name, const char* text, const std::vector<std::string>& words) {
    folder.write(name, text);
    expect_error(ExitCode::bad_input, words, [&] { load_tokenizer(folder.path); });
    fs::remove(folder.path / name);
  };
  expect_refusal("special_tokens_map.json", R"({"pad_token": "<pad>"})",
                 {"special_tokens_map.json: /pad_token", "\"<pad>\" has no id"});
  expect_refusal("special_tokens_map.json", R"({"mask_token": {"content": "abc", "lstrip": true}})",
                 {"/mask_token: /lstrip"});
  expect_refusal("added_tokens.json", R"({"<s>": -1})", {"added_tokens.json: token \"<s>\": has id -1"});
  expect_refusal("added_tokens.json", R"({"<s>": 300})",
                 {"added_tokens.json: added token \"<s>\" has id 300", "0 to 259"});
  expect_refusal("added_tokens.json", R"({"<s>": 5})", {"added_tokens.json: ", "same id 5"});
  expect_refusal("added_tokens.json", R"({"abc": 5})",
                 {"added_tokens.json: added token \"abc\" has id 5, but 257 in the vocabulary (", "vocab.json)"});
  expect_refusal(
      "special_tokens_map.json", R"({"pad_token": "ab"})",
      {"special_tokens_map.json: /pad_token: names \"ab\" as a special", "merges.txt:2 merges it into words"});
  expect_refusal("tokenizer_config.json", R"({"add_prefix_space": true})", {"/add_prefix_space"});
  expect_refusal("tokenizer_config.json", R"({"added_tokens_decoder": {"x": {"content": "a"}}})",
                 {"/added_tokens_decoder/x", "not a token id"});
}

/// transformers adds to tokenizer.json what these files name beyond it.
TEST(LoadTokenizer, TokensThatFilesBesideTokenizerJsonAddAreRead) {
  const TemporaryFolder folder;
  folder.write("tokenizer.json", read_file(testing::fixture_path("bpe_tokenizer.json")));  // 398 and 399 are special
  const auto expect_refusal = [&](const std::vector<std::string>& words) {
    expect_error(ExitCode::bad_input, words, [&] { load_tokenizer(folder.path); });
  };
  folder.write("added_tokens.json", R"({"<|endoftext|>": 398})");
  EXPECT_EQ(load_tokenizer(folder.path)->vocab_size(), 400);
  folder.write("added_tokens.json", R"({"<|endoftext|>": 398, "<s>": 400, "[PAD]": 401})");
  folder.write("special_tokens_map.json", R"({"pad_token": "[PAD]"})");
  const auto more = load_tokenizer(folder.path);
  EXPECT_EQ(more->vocab_size(), 402);
  EXPECT_EQ(more->encode("a<s>"), (std::vector<TokenId>{more->encode("a").front(), 400}));
  EXPECT_GT(more->encode("a[PAD]").size(), 2u) << "a special token is text in a text";
  EXPECT_EQ(load_tokenizer(folder.path / "tokenizer.json")->vocab_size(), 400) << "the file alone was asked for";
  folder.write("added_tokens.json", R"({"<|endoftext|>": 7})");
  expect_refusal({"added_tokens.json: adds token \"<|endoftext|>\" with id 7, but", "tokenizer.json with id 398"});
  folder.write("added_tokens.json", R"({"<s>": 402})");
  expect_refusal({"added_tokens.json: added token \"<s>\" has id 402; with 401 tokens"});
  folder.write("tokenizer_config.json", R"({"added_tokens_decoder": {"398": {"content": "<|endoftext|>"}}})");
  EXPECT_EQ(load_tokenizer(folder.path)->vocab_size(), 400) << "the decoder counts, not the older file";
  folder.write("tokenizer_config.json", R"({"added_tokens_decoder": {"400": {"content": "<s>"}}})");
  EXPECT_EQ(load_tokenizer(folder.path)->vocab_size(), 401);
}

TEST(VocabAndMerges, BadLinesAreNamedByTheirNumber) {
  const TemporaryFolder folder;
  const auto expect_line = [&](const std::string& merges, const std::vector<std::string>& words) {
    write_small_pair(folder, merges);
    expect_error(ExitCode::bad_input, words, [&] { load_tokenizer(folder.path); });
  };
  expect_line("#version: 0.2\na b\nabc\n", {"merges.txt:3", "\"abc\"", "two tokens"});
  expect_line("#version: 0.2\na b\nab c d\n", {"merges.txt:3", "two tokens"});
  expect_line("#version: 0.2\na b\n\nab c\n", {"merges.txt:3", "two tokens"});
  expect_line("#version: 0.2\na b\nab c\na b\n", {"merges.txt:4", "merges.txt:2; remove"});
  expect_line("#version: 0.2\na b\nb c\n", {"merges.txt:3", "\"bc\" is not in the vocabulary"});
  expect_line("a b\nab xyz\n", {"merges.txt:2", "\"xyz\""});
  expect_line("a b\n\xFF\xFE c\n", {"merges.txt:2", "\"\uFFFD\uFFFD\" is not in the vocabulary"});
}

TEST(VocabAndMerges, BadVocabulariesAreRefused) {
  const TemporaryFolder folder;
  write_small_pair(folder);
  const auto expect_vocab = [&](std::string_view vocab, const std::string& word) {
    folder.write("vocab.json", vocab);
    expect_error(ExitCode::bad_input, {"vocab.json", word}, [&] { load_tokenizer(folder.path); });
  };
  expect_vocab(R"({"a": 0, "b": 1, "a": 2})", "twice");
  expect_vocab(R"({"a": 0, "b": -1})", "id -1");
  expect_vocab(R"({"a": 0, "b": 9999999999999})", "9999999999999");
  expect_vocab(R"({"a": 0, "b": 2})", "id 2");
  expect_vocab(R"({"a": 0, "<|endoftext|>": 1e9})", "1000000000");
  expect_vocab(R"({"a": 0, "b": 0})", "same id 0");
  expect_vocab(R"({"a b": 0})", "\"a b\"");
  expect_vocab("[1, 2]", "not a JSON object");
  expect_vocab("{", "not valid JSON");
  expect_vocab("{}", "0 tokens");
  folder.write("merges.txt", "");
  expect_error(ExitCode::bad_input, {"byte 0x00"}, [&] {
    folder.write("vocab.json", R"({"a": 0})");
    load_tokenizer(folder.path);
  });
}

TEST(LoadTokenizer, PathMustLeadToATokenizer) {
  const TemporaryFolder folder;
  expect_error(ExitCode::usage, {"nowhere", "no such file"}, [&] { load_tokenizer(folder.path / "nowhere"); });
  expect_error(ExitCode::usage, {"tokenizer.json", "vocab.json"}, [&] { load_tokenizer(folder.path); });
  fs::copy(testing::fixture_path("bpe_tokenizer.json"), folder.path / "tokenizer.json");
  EXPECT_EQ(load_tokenizer(folder.path)->vocab_size(), 400);
  EXPECT_EQ(load_tokenizer(folder.path / "tokenizer.json")->vocab_size(), 400);
}

TEST(LoadTokenizer, ASymlinkOutOfTheFolderIsRefused) {
  const TemporaryFolder folder, elsewhere;
  write_small_pair(elsewhere);
  fs::copy(testing::fixture_path("bpe_tokenizer.json"), elsewhere.path / "tokenizer.json");
  for (const char* name : {"tokenizer.json", "vocab.json", "merges.txt"}) {
    write_small_pair(folder);
    fs::remove(folder.path / name);
    fs::create_symlink(elsewhere.path / name, folder.path / name);
    expect_error(ExitCode::bad_input, {name, "leads out of the folder"}, [&] { load_tokenizer(folder.path); });
    fs::remove(folder.path / name);
  }
  fs::create_symlink(folder.path, elsewhere.path / "link");  // the folder itself may be one
  write_small_pair(folder);
  EXPECT_EQ(load_tokenizer(elsewhere.path / "link")->vocab_size(), 259);
}

TEST(VocabAndMerges, Gpt2FilesGiveTiktokensIds) {
  const char* named = std::getenv("KILN_GPT2_DIR");
  const fs::path folder = named != nullptr ? named : fs::path(KILN_SOURCE_DIR) / "../shared/data/gpt2";
  if (!fs::exists(folder / "vocab.json")) return;
  const auto tokenizer = load_tokenizer(folder);
  EXPECT_EQ(tokenizer->vocab_size(), 50257);
  EXPECT_EQ(tokenizer->special("<|endoftext|>"), 50256);
  for (const testing::Case& reference : testing::reference_cases("gpt2.json")) {
    EXPECT_EQ(tokenizer->encode(reference.text), reference.ids) << reference.text.substr(0, 200);
  }
}

}  // namespace
}  // namespace kiln
