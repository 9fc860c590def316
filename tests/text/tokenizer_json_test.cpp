// tokenizer.json: what is read, written, and refused.
#include "kiln/text/tokenizer_json.h"

#include "kiln/core/file.h"
#include "kiln/text/bpe_tokenizer.h"

#include "fixtures.h"
#include "support/sanitized.h"
#include "text/tokenizer_schema.h"
#include <chrono>
#include <cstdlib>

namespace kiln {
namespace {

namespace fs = std::filesystem;
using Ids = std::vector<TokenId>;
using testing::expect_error;
using testing::read_fixture;

/// The texts that the reference tokenizers share, as the corpus of the fixtures that kiln made.
std::vector<std::string> texts() {
  std::vector<std::string> result;
  for (const testing::Case& reference : testing::reference_cases("gpt2.json")) result.push_back(reference.text);
  result.resize(result.size() - 2);  // which only tiktoken reads as kiln does
  return result;
}

struct Made {
  std::string name;
  TokenizerConfig config;
};

std::vector<Made> made_tokenizers() {
  const auto config = [](TokenizerKind type, std::int64_t size, SplitPattern pattern) {
    return TokenizerConfig{type, size, pattern, {"<|endoftext|>", "<|new paragraph|>"}, {}, {}, {}};
  };
  return {{"bpe", config(TokenizerKind::bpe, 400, SplitPattern::gpt2)},
          {"cl100k_bpe", config(TokenizerKind::bpe, 400, SplitPattern::cl100k)},
          {"digits_bpe", config(TokenizerKind::bpe, 400, SplitPattern::gpt2_digits)},
          {"char", config(TokenizerKind::character, 0, SplitPattern::gpt2)},
          {"byte", config(TokenizerKind::byte, 0, SplitPattern::gpt2)}};
}

std::unique_ptr<Tokenizer> train(const TokenizerConfig& config) {
  const std::vector<std::string> corpus = texts();
  return make_tokenizer(config, std::vector<std::string_view>(corpus.begin(), corpus.end()));
}

/// A correct tokenizer.json to spoil.
Json good_json() { return parse_json(read_file(testing::fixture_path("bpe_tokenizer.json")), "fixture"); }

void expect_refused(const Json& json, std::vector<std::string> words) {
  words.push_back("t.json");
  expect_error(ExitCode::bad_input, words, [&] { read_tokenizer_json(json.dump(), "t.json"); });
}

// The ids in *_ids.json are those of @huggingface/tokenizers under *_tokenizer.json (tests/oracles). After a change
// that is meant to alter what training gives, KILN_UPDATE_FIXTURES=1 rewrites *_tokenizer.json; then run the oracle
// again.
TEST(TokenizerJson, TrainingGivesTheFixtureAndTheIdsOfHuggingFace) {
  for (const auto& [name, config] : made_tokenizers()) {
    const auto tokenizer = train(config);
    const fs::path path = testing::fixture_path(name + "_tokenizer.json");
    if (std::getenv("KILN_UPDATE_FIXTURES") != nullptr) {
      write_file_atomically(path, format_tokenizer_json(*tokenizer));
      continue;
    }
    EXPECT_TRUE(format_tokenizer_json(*tokenizer) == read_file(path)) << name;
    const Json ids = read_fixture(name + "_ids.json");
    const std::vector<std::string> inputs = texts();
    ASSERT_EQ(ids.size(), inputs.size());
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      EXPECT_EQ(tokenizer->encode(inputs[i], SpecialTokens::allow), ids[i].get<Ids>())
          << name << ": " << inputs[i].substr(0, 99);
    }
  }
}

TEST(TokenizerJson, WhatIsWrittenIsReadBack) {
  std::vector<Made> all = made_tokenizers();
  all.push_back({"none", {TokenizerKind::none, 77, SplitPattern::gpt2, {}, {}, {}, {}}});
  for (const auto& [name, config] : all) {
    const auto tokenizer = train(config);
    const std::string json = format_tokenizer_json(*tokenizer);
    const auto again = read_tokenizer_json(json, "t.json");
    EXPECT_EQ(again->type(), tokenizer->type());
    EXPECT_EQ(again->vocab_size(), tokenizer->vocab_size());
    EXPECT_EQ(again->special_tokens(), tokenizer->special_tokens());
    EXPECT_TRUE(format_tokenizer_json(*again) == json) << name;
  }
}

TEST(TokenizerJson, ReadsBothFormsOfMerges) {
  Json json = good_json();
  for (Json& merge : json["model"]["merges"]) merge = merge[0].get<std::string>() + ' ' + merge[1].get<std::string>();
  const auto tokenizer = read_tokenizer_json(json.dump(), "t.json");
  EXPECT_TRUE(tokenizer->to_json() == good_json());
}

/// Files that were written before there was ignore_merges lack it; GPT-2's on the Hub do.
TEST(TokenizerJson, WithoutIgnoreMergesTheMergesCount) {
  Json json = good_json();
  json["model"].erase("ignore_merges");
  EXPECT_TRUE(read_tokenizer_json(json.dump(), "t.json")->to_json() == good_json());
}

TEST(TokenizerJson, AddedTokensThatAreNotSpecialAreFoundInAnyText) {
  Json json = good_json();
  json["added_tokens"][1]["special"] = false;
  const auto tokenizer = read_tokenizer_json(json.dump(), "t.json");
  EXPECT_EQ(tokenizer->encode("<|new paragraph|>"), Ids{*tokenizer->special("<|new paragraph|>")});
  EXPECT_GT(tokenizer->encode("<|endoftext|>").size(), 1u);
  EXPECT_TRUE(tokenizer->to_json() == json);
}

/// Hugging Face looks for "normalized" tokens in what the others leave of a text.
TEST(TokenizerJson, AddedTokensAreFoundInHuggingFacesOrder) {
  const Json good = good_json();
  const TokenId end = 398, other = 399;
  const auto renamed = [&](const std::string& content, bool normalized) {
    Json json = good;
    json["model"]["vocab"].erase(json["added_tokens"][1]["content"].get<std::string>());
    json["model"]["vocab"][content] = other;
    json["added_tokens"][1]["content"] = content;
    json["added_tokens"][1]["normalized"] = normalized;
    auto tokenizer = read_tokenizer_json(json.dump(), "t.json");
    EXPECT_TRUE(tokenizer->to_json() == json);
    return tokenizer;
  };
  const auto ids = [](const Tokenizer& tokenizer, std::string_view text) {
    return tokenizer.encode(text, SpecialTokens::allow);
  };
  const TokenId x = ids(*renamed("x<|", false), "x").at(0), mark = ids(*renamed("x<|", false), "!").at(0);
  EXPECT_EQ(ids(*renamed("x<|", false), "x<|endoftext|>")[0], other);
  EXPECT_EQ(ids(*renamed("x<|", true), "x<|endoftext|>x<|"), (Ids{x, end, other}));
  EXPECT_EQ(ids(*renamed("<|endoftext|>!", false), "<|endoftext|>!"), (Ids{other}));
  EXPECT_EQ(ids(*renamed("<|endoftext|>!", true), "<|endoftext|>!"), (Ids{end, mark}));
}

TEST(TokenizerJson, ASequenceEndsWithByteLevel) {
  Json json = parse_json(read_file(testing::fixture_path("cl100k_bpe_tokenizer.json")), "fixture");
  json["pre_tokenizer"]["pretokenizers"].erase(1);
  expect_refused(json, {"/pre_tokenizer/pretokenizers: a ByteLevel is expected last"});
  json["pre_tokenizer"]["pretokenizers"].erase(0);
  expect_refused(json, {"/pre_tokenizer/pretokenizers: a ByteLevel is expected last"});
}

TEST(TokenizerJson, PartsThatAreNotUnderstoodAreNamed) {
  const auto spoil = [](const std::string& pointer, const Json& value, const std::string& word) {
    Json json = good_json();
    json[Json::json_pointer(pointer)] = value;
    expect_refused(json, {pointer.substr(0, pointer.rfind('/')), word});
  };
  spoil("/normalizer", Json{{"type", "NFC"}}, "/normalizer");
  spoil("/pre_tokenizer", Json{{"type", "Whitespace"}}, "/pre_tokenizer");
  spoil("/pre_tokenizer/add_prefix_space", true, "/pre_tokenizer/add_prefix_space");
  spoil("/pre_tokenizer/use_regex", false, "use_regex");
  spoil("/post_processor", Json{{"type", "TemplateProcessing"}}, "TemplateProcessing");
  spoil("/decoder", Json{{"type", "WordPiece"}}, "/decoder");
  spoil("/model/type", "Unigram", "Unigram");
  spoil("/model/dropout", 0.1, "/model/dropout");
  spoil("/model/byte_fallback", true, "/model/byte_fallback");
  spoil("/model/unk_token", "<unk>", "/model/unk_token");
  spoil("/model/end_of_word_suffix", "</w>", "</w>");
  for (const std::string key : {"lstrip", "rstrip", "single_word"})
    spoil("/added_tokens/0/" + key, true, "/added_tokens/0/" + key);
  spoil("/model", nullptr, "/model");
  for (const Json& steps : {Json(), Json(7), Json("Split"), Json{{"0", "Split"}}}) {
    spoil("/pre_tokenizer", Json{{"type", "Sequence"}, {"pretokenizers", steps}}, "/pre_tokenizer/pretokenizers");
  }
  Json split = parse_json(read_file(testing::fixture_path("cl100k_bpe_tokenizer.json")), "fixture");
  split["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] = "\\w+";
  expect_refused(split, {"/pre_tokenizer/pretokenizers/0/pattern", "cl100k"});
}

TEST(TokenizerJson, VocabulariesThatCannotBeAreRefused) {
  const auto with_id = [](const Json& id) {
    Json json = good_json();
    json["model"]["vocab"]["!"] = id;
    return json;
  };
  expect_refused(with_id(5), {"same id 5"});
  expect_refused(with_id(-1), {"\"!\" has id -1", "0 to 399"});
  expect_refused(with_id(4000000000), {"4000000000"});
  expect_refused(with_id(std::uint64_t{1} << 63), {"9223372036854775808"});
  expect_refused(with_id(0.5), {"0.5"});
  expect_refused(with_id("0"), {"\"0\""});
  Json json = good_json();
  json["model"]["vocab"].erase("!");
  expect_refused(json, {"has id 399", "0 to 398"});
  json = good_json();
  json["added_tokens"][1]["id"] = 3;
  expect_refused(json, {"<|new paragraph|>", "399"});
  json["added_tokens"][1]["id"] = -3;
  expect_refused(json, {"/added_tokens/1", "-3"});
  json = good_json();
  json["model"]["merges"].push_back(json["model"]["merges"][7]);
  expect_refused(json, {"/model/merges/142", "already in t.json: /model/merges/7"});
  json["model"]["merges"].back() = {"zz", "zz"};
  expect_refused(json, {"/model/merges/142", "\"zz\""});
  json["model"]["merges"].back() = 7;
  expect_refused(json, {"/model/merges/142", "7"});
  for (const std::string_view text :
       {"", "[]", "{}", "null", "{\"model\": 1}", "{\"model\": {\"type\": \"BPE\"}}", "\xFF"}) {
    expect_error(ExitCode::bad_input, {"t.json"}, [&] { read_tokenizer_json(text, "t.json"); });
  }
  expect_error(ExitCode::bad_input, {"/model/vocab/a", "twice"},
               [] { read_tokenizer_json(R"({"model": {"type": "BPE", "vocab": {"a": 0, "a": 1}}})", "t.json"); });
}

TEST(TokenizerJson, ManyAddedTokensTakeLinearTime) {
  constexpr TokenId kMany = testing::kSanitized ? 10'000 : 100'000;
  Json vocab = Json::object(), added = Json::array();
  for (TokenId id = 0; id < kMany; ++id) {
    append_member(vocab, fmt::format("word{}", id), id);
    added.push_back({{"id", kMany + id}, {"content", fmt::format("added{}", id)}});
  }
  const Json json{{"added_tokens", added}, {"model", {{"type", "BPE"}, {"vocab", vocab}, {"merges", Json::array()}}}};
  const auto begin = std::chrono::steady_clock::now();
  expect_refused(json, {"/decoder"});
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(20));  // quadratic, it takes minutes
}

TEST(TokenizerJson, FilesThatAreNoTokenizerAreNamedForWhatTheyAre) {
  const auto expect_found = [](std::string_view text, const std::string& found) {
    expect_error(ExitCode::bad_input, {"t: " + found + "; a tokenizer is expected: a tokenizer.json, or a folder"},
                 [&] { read_tokenizer_json(text, "t"); });
  };
  expect_found("", "is empty");
  expect_found("Once upon a time\n", "is text, but not a JSON object");
  expect_found("[]", "is text, but not a JSON object");
  expect_found("#version: 0.2\na b\n", "is a merges.txt");
  expect_found("\n\x0D\n\x05<unk>\x15\xFF", "is neither text nor JSON");
  expect_found(R"({"model_type": "gpt2", "vocab_size": 7})", "is a model's config.json");
  expect_found(R"({"tokenizer_class": "GPT2Tokenizer"})", "is a tokenizer_config.json");
  expect_found(R"({"model": {"n_layers": 2}, "data": {"train": []}})", "is a config of kiln");
  expect_found(R"({"a": 0, "b": 1})", "is a vocab.json");
  expect_found("{}", "is JSON without /model/vocab");
}

// With GPT-2's own files, where the machine has them (KILN_GPT2_DIR, or shared/data/gpt2 beside the project); Bpe's
// IdsAreTiktokens holds everywhere.
TEST(TokenizerConfigJson, NamesClassAndSpecialTokens) {
  std::vector<Made> made = made_tokenizers();
  const auto named = [](const TokenizerConfig& config, const SpecialIds& ids) {
    return tokenizer_config_json(*train(config), 64, ids);
  };
  const Json gpt2 = named(made[0].config, {.begin = 398, .ends = {399, 398}});
  EXPECT_EQ(gpt2["tokenizer_class"], "GPT2Tokenizer");
  EXPECT_EQ(gpt2["bos_token"], "<|endoftext|>");
  EXPECT_EQ(gpt2["eos_token"], "<|new paragraph|>") << "as config.json says, whatever it is called";
  EXPECT_EQ(gpt2["unk_token"], "<|endoftext|>");
  EXPECT_EQ(gpt2["model_max_length"], 64);
  made[3].config.special_tokens = {"<|start|>"};
  const std::int64_t start = train(made[3].config)->vocab_size() - 1;
  const auto id = static_cast<TokenId>(start);
  const Json byte = named(made[3].config, {.start = id, .begin = id});
  EXPECT_EQ(byte["tokenizer_class"], "PreTrainedTokenizerFast");
  EXPECT_EQ(byte["bos_token"], "<|start|>");
  EXPECT_EQ(byte["add_bos_token"], true);
  EXPECT_FALSE(gpt2.contains("add_bos_token"));
  EXPECT_FALSE(byte.contains("pad_token"));
  EXPECT_EQ(named(made[3].config, {.padding = id})["pad_token"], "<|start|>");
  EXPECT_EQ(named(made[3].config, {.padding = 255})["pad_token"], nullptr) << "a byte that is no special token";
  EXPECT_EQ(byte["eos_token"], nullptr);
}

TEST(TokenizerJson, Gpt2sOwnFileDoesNotSayThatItIsBpe) {
  Json json = good_json();
  json["model"].erase("type");
  const std::string text = texts().front();
  EXPECT_EQ(read_tokenizer_json(json.dump(), "t.json")->encode(text),
            read_tokenizer_json(good_json().dump(), "t.json")->encode(text));
  json["model"].erase("merges");
  expect_refused(json, {"/model: has no \"type\""});
}

TEST(TokenizerJson, DigitsAreTakenApartBeforeGpt2sPatternAlone) {
  const auto digits_with = [](const char* key, const Json& value, std::size_t step) {
    Json json = parse_json(read_file(testing::fixture_path("digits_bpe_tokenizer.json")), "fixture");
    json["pre_tokenizer"]["pretokenizers"][step][key] = value;
    return json;
  };
  expect_refused(digits_with("individual_digits", false, 0), {"/pre_tokenizer/pretokenizers/0/individual_digits"});
  expect_refused(digits_with("use_regex", false, 1), {"Digits is supported only before a ByteLevel with use_regex"});
}

}  // namespace
}  // namespace kiln
