// Reads a tokenizer.json part by part; an unsupported part that would change the ids is an error.
#include "kiln/text/tokenizer_json.h"

#include "kiln/core/error.h"
#include "kiln/core/file.h"
#include "kiln/core/utf8.h"
#include "kiln/text/bpe_tokenizer.h"
#include "kiln/text/document.h"
#include "kiln/text/none_tokenizer.h"
#include "kiln/text/pretokenizer.h"

#include <nlohmann/json.hpp>

#include "text/added_tokens.h"
#include "text/byte_tokenizer.h"
#include "text/char_tokenizer.h"
#include "text/vocabulary.h"
#include <algorithm>
#include <array>
#include <optional>
#include <unordered_map>
#include <utility>

namespace kiln {
namespace {

constexpr const char* kVocabFile = "vocab.json";

[[noreturn]] void refuse_file(std::string_view source, std::string_view found) {
  fail(ExitCode::bad_input,
       "{}: {}; a tokenizer is expected: a tokenizer.json, or a folder with one or with vocab.json and merges.txt",
       source, found);
}

/// Says what a JSON object is that has no vocabulary where a tokenizer.json has it.
std::string_view describe_json(const Json& root) {
  constexpr std::array<std::pair<const char*, std::string_view>, 4> kOthers{
      {{"model_type", "is a model's config.json"},
       {"tokenizer_class", "is a tokenizer_config.json"},
       {"data", "is a config of kiln"},
       {"train", "is a config of kiln"}}};
  for (const auto& [key, what] : kOthers) {
    if (root.contains(key)) return what;
  }
  const bool has_ids_alone = std::ranges::all_of(root, [](const Json& value) { return value.is_number_integer(); });
  return has_ids_alone && !root.empty() ? "is a vocab.json" : "is JSON without /model/vocab";
}

/// Reads one tokenizer.json; `source` is its name in messages. `beside` are the tokens that other files may add.
class Reader {
 public:
  Reader(const Json& root, std::string_view source, std::vector<AddedToken> beside)
      : root_(root), source_(source), beside_(std::move(beside)) {}

  std::unique_ptr<Tokenizer> read() const {
    const Json& model = member(root_, "model");
    if (member(model, "vocab").is_null()) refuse_file(source_, describe_json(root_));
    check_absent(root_, "normalizer", "");
    check_post_processor();
    const std::string type = model_type(model);
    if (type == "WordLevel") return read_numbers(model);
    if (type != "BPE") unsupported("/model/type", member(model, "type"), "\"BPE\"");
    for (const char* key :
         {"dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix", "byte_fallback"}) {
      check_absent(model, key, "/model");
    }
    const Vocabulary vocabulary(member(model, "vocab"), read_added_tokens(), fmt::format("{}: /model/vocab", source_));
    std::vector<Merge> merges = read_merges(model, vocabulary);
    if (type_of(member(root_, "decoder"), "/decoder") == "Fuse") return read_characters(vocabulary, merges);
    return read_byte_level(model, vocabulary, std::move(merges));
  }

 private:
  template <class... Args>
  void need(bool condition, std::string_view pointer, fmt::format_string<Args...> format, Args&&... args) const {
    check_input(condition, "{}: {}: {}", source_, pointer, fmt::format(format, std::forward<Args>(args)...));
  }

  [[noreturn]] void unsupported(std::string_view pointer, const Json& found, std::string_view expected) const {
    fail(ExitCode::bad_input, "{}: {}: {} is not supported; expected {}. Without it the ids would differ", source_,
         pointer, brief_json(found), expected);
  }

  /// Returns the member, or null if the object lacks it.
  static const Json& member(const Json& object, const char* key) {
    static const Json null;
    const auto found = object.is_object() ? object.find(key) : object.end();
    return !object.is_object() || found == object.end() ? null : *found;
  }

  std::string type_of(const Json& part, std::string_view pointer) const {
    const Json& type = member(part, "type");
    if (part.is_null()) return "";
    need(type.is_string(), pointer, "has no \"type\"");
    return type.get<std::string>();
  }

  /// Returns "BPE" for GPT-2's own tokenizer.json, which predates the "type" key.
  std::string model_type(const Json& model) const {
    const bool is_old = member(model, "type").is_null() && member(model, "merges").is_array();
    return is_old ? "BPE" : type_of(model, "/model");
  }

  static bool is_text(const Json& value, std::string_view text) {
    return value.is_string() && value.get_ref<const std::string&>() == text;
  }

  static bool is_absent(const Json& value) {
    return value.is_null() || value == false || is_text(value, "") || (value.is_number() && value == 0);
  }

  void check_absent(const Json& object, const char* key, std::string_view pointer) const {
    if (const Json& value = member(object, key); !is_absent(value)) {
      unsupported(fmt::format("{}/{}", pointer, key), value, "null");
    }
  }

  /// Allows ByteLevel's post-processor, which only moves offsets; others add tokens.
  void check_post_processor() const {
    const Json& part = member(root_, "post_processor");
    const std::string type = type_of(part, "/post_processor");
    if (!type.empty() && type != "ByteLevel")
      unsupported("/post_processor", member(part, "type"), "null or \"ByteLevel\"");
  }

  std::vector<AddedToken> read_added_tokens() const {
    std::vector<AddedToken> tokens;
    std::unordered_map<std::string, std::size_t> contents;  // content -> index
    std::unordered_map<TokenId, std::size_t> ids;
    const Json& added = member(root_, "added_tokens");
    need(added.is_array() || added.is_null(), "/added_tokens", "is not an array");
    for (std::size_t i = 0; i < added.size(); ++i) {
      const std::string pointer = fmt::format("/added_tokens/{}", i);
      const Json &content = member(added[i], "content"), &id = member(added[i], "id");
      need(content.is_string() && !is_text(content, ""), pointer, "has no content");
      need(id.is_number_integer() && id >= 0 && id <= std::numeric_limits<TokenId>::max(), pointer,
           "has id {}, expected a whole number from 0 on", brief_json(id));
      for (const char* key : {"single_word", "lstrip", "rstrip"}) check_absent(added[i], key, pointer);
      const SpecialToken token{.content = content.get<std::string>(),
                               .id = id.get<TokenId>(),
                               .in_any_text = member(added[i], "special") == false,
                               .normalized = member(added[i], "normalized") == true};
      tokens.push_back({token, fmt::format("{}: {}", source_, pointer)});
      const std::size_t of_content = contents.emplace(token.content, i).first->second;
      const std::size_t other = std::min(of_content, ids.emplace(token.id, i).first->second);
      need(other == i, pointer, "has the content or the id of /added_tokens/{}; each must have its own", other);
    }
    for (const AddedToken& one : beside_) {
      const auto found = contents.find(one.token.content);
      if (found == contents.end()) {
        tokens.push_back(one);
        continue;
      }
      const TokenId id = tokens[found->second].token.id;
      check_input(id == one.token.id, "{}: adds token \"{}\" with id {}, but {} with id {}; they must agree", one.place,
                  one.token.content, one.token.id, source_, id);
    }
    return tokens;
  }

  std::vector<Merge> read_merges(const Json& model, const Vocabulary& vocabulary) const {
    const Json& list = member(model, "merges");
    need(list.is_array(), "/model/merges", "is not an array");
    const auto place = [&](std::size_t number) { return fmt::format("{}: /model/merges/{}", source_, number); };
    MergeList merges(vocabulary, place);
    for (std::size_t i = 0; i < list.size(); ++i) {
      const Json& entry = list[i];
      std::string left, right;
      if (entry.is_string()) {
        const std::string text = entry.get<std::string>();
        const std::size_t space = text.find(' ');
        left = text.substr(0, space);
        right = space == std::string::npos ? "" : text.substr(space + 1);
      } else if (entry.is_array() && entry.size() == 2 && entry[0].is_string() && entry[1].is_string()) {
        left = entry[0].get<std::string>();
        right = entry[1].get<std::string>();
      }
      if (left.empty() || right.empty()) {
        fail(ExitCode::bad_input, "{}: found {}, expected two tokens, [\"a\", \"b\"] or \"a b\"", place(i),
             brief_json(entry));
      }
      merges.add(left, right, i);
    }
    return merges.take();
  }

  std::unique_ptr<Tokenizer> read_byte_level(const Json& model, const Vocabulary& vocabulary,
                                             std::vector<Merge> merges) const {
    const Json& decoder = member(root_, "decoder");
    if (type_of(decoder, "/decoder") != "ByteLevel") unsupported("/decoder", decoder, "ByteLevel");
    const std::optional<SplitPattern> pattern = read_pre_tokenizer(member(root_, "pre_tokenizer"));
    std::vector<std::string> tokens = vocabulary.byte_level_tokens();
    if (!pattern) {
      bool by_value = merges.empty() && vocabulary.names().size() == 256 + vocabulary.added().size();
      for (std::size_t byte = 0; by_value && byte < 256; ++byte) {
        by_value = tokens[byte] == std::string(1, static_cast<char>(byte));
      }
      need(by_value, "/pre_tokenizer",
           "ByteLevel with use_regex false does not cut the text into words, which only a vocabulary of the 256 bytes "
           "in their order, without merges, can do without; expected GPT-2's or cl100k's pattern");
      return std::make_unique<ByteTokenizer>(vocabulary.added());
    }
    const bool whole_pieces = member(model, "ignore_merges") == true;
    return std::make_unique<BpeTokenizer>(Bpe(std::move(tokens), std::move(merges), whole_pieces), *pattern,
                                          vocabulary.added());
  }

  /// Returns the pattern that splits the text, or nothing if the text stays whole.
  std::optional<SplitPattern> read_pre_tokenizer(const Json& part) const {
    const std::string type = type_of(part, "/pre_tokenizer");
    if (type == "ByteLevel") return read_byte_level_part(part, "/pre_tokenizer");
    if (type != "Sequence")
      unsupported("/pre_tokenizer", part, "ByteLevel, or a Sequence of Split or Digits and ByteLevel");
    std::optional<SplitPattern> pattern;
    const Json& steps = member(part, "pretokenizers");
    need(steps.is_array(), "/pre_tokenizer/pretokenizers", "is not an array");
    for (std::size_t i = 0; i < steps.size(); ++i) {
      const std::string pointer = fmt::format("/pre_tokenizer/pretokenizers/{}", i);
      const std::string step = type_of(steps[i], pointer);
      const bool split = step == "Split" && i == 0, digits = step == "Digits" && i == 0;
      if (!split && !digits && !(step == "ByteLevel" && i + 1 == steps.size())) {
        unsupported(pointer, member(steps[i], "type"), "a Split or Digits, then a ByteLevel");
      }
      if (digits) {
        check_digits(steps, pointer);
        return SplitPattern::gpt2_digits;
      }
      const std::optional<SplitPattern> found =
          split ? read_split(steps[i], pointer) : read_byte_level_part(steps[i], pointer);
      need(!(found && pattern), pointer, "cuts a second time; expected use_regex false after a Split");
      if (found) pattern = found;
    }
    // ByteLevel maps bytes to the vocabulary's characters.
    need(!steps.empty() && type_of(steps.back(), "") == "ByteLevel", "/pre_tokenizer/pretokenizers",
         "a ByteLevel is expected last");
    return pattern;
  }

  /// Checks that single digits are split off, then GPT-2's pattern applied between them.
  void check_digits(const Json& steps, const std::string& pointer) const {
    const Json& individual = member(steps[0], "individual_digits");
    if (individual != true) unsupported(pointer + "/individual_digits", individual, "true");
    const bool then_gpt2 = steps.size() == 2 && type_of(steps[1], "/pre_tokenizer/pretokenizers/1") == "ByteLevel" &&
                           read_byte_level_part(steps[1], "/pre_tokenizer/pretokenizers/1").has_value();
    need(then_gpt2, "/pre_tokenizer/pretokenizers", "Digits is supported only before a ByteLevel with use_regex");
  }

  std::optional<SplitPattern> read_byte_level_part(const Json& part, std::string_view pointer) const {
    check_absent(part, "add_prefix_space", pointer);
    return member(part, "use_regex") == false ? std::nullopt : std::optional(SplitPattern::gpt2);
  }

  /// Accepts both spellings of "the matches are the pieces": isolated matches, or everything but the matches removed.
  /// They are equivalent for patterns that cover every byte.
  SplitPattern read_split(const Json& part, const std::string& pointer) const {
    const bool invert = member(part, "invert") == true;
    const Json& behavior = member(part, "behavior");
    if (behavior != (invert ? "Removed" : "Isolated")) unsupported(pointer + "/behavior", behavior, "\"Isolated\"");
    const Json& regex = member(member(part, "pattern"), "Regex");
    for (const SplitPattern pattern : {SplitPattern::gpt2, SplitPattern::cl100k}) {
      if (regex == pattern_regex(pattern)) return pattern;
    }
    unsupported(pointer + "/pattern", member(part, "pattern"), "the regular expression of GPT-2 or of cl100k");
  }

  std::unique_ptr<Tokenizer> read_characters(const Vocabulary& vocabulary, const std::vector<Merge>& merges) const {
    need(merges.empty(), "/model/merges", "a tokenizer whose decoder is Fuse has no merges: each token is a character");
    check_absent(root_, "pre_tokenizer", "");
    std::u32string characters;
    for (std::size_t id = 0; id < vocabulary.names().size(); ++id) {
      if (vocabulary.is_added(static_cast<TokenId>(id))) continue;
      const std::string& name = vocabulary.names()[id];
      need(id == characters.size(), "/added_tokens", "special tokens must have the last ids");
      need(!name.empty() && utf8_length(name, 0) == name.size(), "/model/vocab", "token \"{}\" is not one character",
           name);
      characters += utf8_decode(name, 0, name.size());
    }
    return std::make_unique<CharTokenizer>(std::move(characters), vocabulary.added());
  }

  /// Reads a WordLevel model of the words "0", "1", ...: type "none".
  std::unique_ptr<Tokenizer> read_numbers(const Json& model) const {
    const Vocabulary vocabulary(member(model, "vocab"), {}, fmt::format("{}: /model/vocab", source_));
    for (std::size_t id = 0; id < vocabulary.names().size(); ++id) {
      need(vocabulary.names()[id] == std::to_string(id), "/model/type",
           "\"WordLevel\" is supported only for the words \"0\", \"1\", ...; token {} is \"{}\"", id,
           vocabulary.names()[id]);
    }
    return std::make_unique<NoneTokenizer>(std::ssize(vocabulary.names()));
  }

  const Json& root_;
  std::string_view source_;
  std::vector<AddedToken> beside_;
};

std::unique_ptr<Tokenizer> read_text(std::string_view text, std::string_view source, std::vector<AddedToken> beside) {
  const std::size_t begin = text.find_first_not_of(" \t\r\n\xEF\xBB\xBF");  // white space, or a byte order mark
  if (begin == std::string_view::npos || text[begin] != '{') {
    const bool is_text = utf8_valid_until(text) == text.size() && text.find('\0') == std::string_view::npos;
    refuse_file(source, text.empty()                    ? "is empty"
                        : text.starts_with("#version:") ? "is a merges.txt"
                        : is_text                       ? "is text, but not a JSON object"
                                                        : "is neither text nor JSON");
  }
  const Json root = parse_json(text, source);
  return Reader(root, source, std::move(beside)).read();
}

}  // namespace

std::unique_ptr<Tokenizer> read_tokenizer_json(std::string_view text, std::string_view source) {
  return read_text(text, source, {});
}

bool has_tokenizer(const std::filesystem::path& folder) {
  return path_exists(folder / kTokenizerFile) || path_exists(folder / kVocabFile);
}

std::unique_ptr<Tokenizer> load_tokenizer(const std::filesystem::path& path) {
  check(path_exists(path), "tokenizer {}: there is no such file or folder", path.string());
  if (!is_folder(path)) return read_text(read_file(path), path.string(), {});
  const std::filesystem::path file = path_within(path, kTokenizerFile);
  if (path_exists(file)) return read_text(read_file(file), file.string(), read_tokens_beside(path));
  const std::filesystem::path vocab = path_within(path, kVocabFile), merges = path_within(path, "merges.txt");
  check(path_exists(vocab) && path_exists(merges),
        "tokenizer {}: the folder has neither tokenizer.json nor vocab.json with merges.txt; a run keeps its tokenizer "
        "in each folder of checkpoints/",
        path.string());
  return read_vocab_and_merges(vocab, merges);
}

std::string special_token_text(const Json& token) {
  const Json content = token.is_object() ? token.value("content", Json()) : token;
  return content.is_string() ? content.get<std::string>() : "";
}

std::string format_tokenizer_json(const Tokenizer& tokenizer) { return format_json(tokenizer.to_json()); }

Json tokenizer_config_json(const Tokenizer& tokenizer, std::int64_t max_length, const SpecialIds& ids) {
  const auto* bpe = dynamic_cast<const BpeTokenizer*>(&tokenizer);
  const std::optional<TokenId> unknown = tokenizer.special(kEndOfText);
  // GPT2Tokenizer would add "<|endoftext|>" if it is missing, and its fast form rejects add_bos_token.
  const bool gpt2 = bpe != nullptr && bpe->pattern() == SplitPattern::gpt2 && unknown && !ids.start;
  const auto name = [&](std::optional<TokenId> id) {
    const SpecialToken* token = id ? tokenizer.special_by_id(*id) : nullptr;
    return token != nullptr ? Json(token->content) : Json(nullptr);
  };
  Json json{{"tokenizer_class", gpt2 ? "GPT2Tokenizer" : "PreTrainedTokenizerFast"},
            {"bos_token", name(ids.begin)},
            {"eos_token", name(ids.ends.empty() ? std::nullopt : std::optional(ids.ends.front()))},
            {"unk_token", name(unknown)},
            {"add_prefix_space", false},
            {"clean_up_tokenization_spaces", false},
            {"model_input_names", {"input_ids", "attention_mask"}},  // token types would shift a GPT-2's embeddings
            {"model_max_length", max_length}};
  if (ids.start && ids.start == ids.begin) json["add_bos_token"] = true;
  if (ids.padding) json["pad_token"] = name(ids.padding);
  return json;
}

}  // namespace kiln
