// Reads the tokens' roles, which make them special, then the added tokens, which may assign ids.
#include "text/added_tokens.h"

#include "kiln/core/error.h"
#include "kiln/core/file.h"
#include "kiln/text/document.h"
#include "kiln/text/tokenizer_json.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <utility>

namespace kiln {
namespace {

namespace fs = std::filesystem;

constexpr std::array kRoles{"bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"};
constexpr std::array kRoleLists{"additional_special_tokens", "extra_special_tokens"};

/// A JSON file of the folder; an empty object if it does not exist.
struct File {
  File(const fs::path& folder, const char* name) : path(path_within(folder, name)) {
    if (path_exists(path)) json = read_json_object(path);
  }
  Json get(const char* key) const { return json.value(key, Json()); }

  fs::path path;
  Json json = Json::object();
};

/// Throws if an added token strips white space beside it or matches whole words only.
void check_plain(const Json& token, const std::string& place) {
  for (const char* key : {"lstrip", "rstrip", "single_word"}) {
    check_input(token.value(key, Json(false)) != true,
                "{}: /{}: true is not supported; expected false. Without it the ids would differ", place, key);
  }
}

std::optional<TokenId> id_of(const Json& value) {
  const bool sound = value.is_number_integer() && value >= 0 && value <= std::numeric_limits<TokenId>::max();
  return sound ? std::optional(value.get<TokenId>()) : std::nullopt;
}

class AddedTokens {
 public:
  AddedTokens(const fs::path& folder, Json vocab)
      : vocab_(std::move(vocab)),
        config_(folder, "tokenizer_config.json"),
        map_(folder, "special_tokens_map.json"),
        added_(folder, "added_tokens.json") {}

  std::vector<AddedToken> read() {
    const Json prefix = config_.get("add_prefix_space");
    check_input(prefix != true,
                "{}: /add_prefix_space: true is not supported; expected false. Without it the ids "
                "would differ",
                config_.path.string());
    read_roles();
    read_tokens();
    for (const auto& [content, role] : roles_) check_plain(role.token, role.place);
    if (vocab_.contains(kEndOfText)) roles_.try_emplace(std::string(kEndOfText), Role{Json::object(), vocab_path()});
    for (const auto& [content, role] : roles_) give_id(content, role.place);
    return std::move(tokens_);
  }

  std::vector<AddedToken> read_beside() {
    read_roles();
    read_tokens();
    return std::move(tokens_);
  }

 private:
  /// A token that a file names as special.
  struct Role {
    Json token;  // an object, empty if the file names the content alone
    std::string place;
  };

  void read_roles() {
    for (const File* file : {&config_, &map_}) {
      for (const char* key : kRoles) add_role(file->get(key), fmt::format("{}: /{}", file->path.string(), key));
      for (const char* key : kRoleLists) {
        const Json list = file->get(key);
        if (!list.is_array()) continue;
        for (const Json& token : list) add_role(token, fmt::format("{}: /{}", file->path.string(), key));
      }
    }
  }

  /// Records a token as special; a role may be empty.
  void add_role(const Json& token, const std::string& place) {
    const std::string content = special_token_text(token);
    if (content.empty()) return;
    roles_.try_emplace(content, Role{token.is_object() ? token : Json::object(), place});
  }

  void read_tokens() {
    const Json decoder = config_.get("added_tokens_decoder");
    decoder.is_object() && !decoder.empty() ? read_decoder(decoder) : read_added();
  }

  void read_decoder(const Json& decoder) {
    for (const auto& [key, token] : decoder.items()) {
      const std::string place = fmt::format("{}: /added_tokens_decoder/{}", config_.path.string(), key);
      TokenId id = 0;
      const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), id);
      check_input(error == std::errc() && end == key.data() + key.size() && id >= 0, "{}: the key is not a token id",
                  place);
      const std::string content = special_token_text(token);
      check_input(token.is_object() && !content.empty(), "{}: has no content", place);
      check_plain(token, place);
      const bool special = token.value("special", Json(false)) == true;
      add(content, id, special, token.value("normalized", Json(!special)) == true, place);
    }
  }

  void read_added() {
    for (const auto& [content, value] : added_.json.items()) {
      const std::string place = added_.path.string();
      const std::optional<TokenId> id = id_of(value);
      check_input(id && !content.empty(), "{}: token \"{}\": has id {}, expected a whole number from 0 on", place,
                  content, brief_json(value));
      const bool special = roles_.contains(content);
      add(content, *id, special, !special, place);
    }
  }

  void add(const std::string& content, TokenId id, bool special, bool normalized, const std::string& place) {
    const bool is_new = contents_.insert(content).second;
    check_input(is_new, "{}: \"{}\" is added twice; keep one of them", place, content);
    tokens_.push_back({{.content = content, .id = id, .in_any_text = !special, .normalized = normalized}, place});
  }

  /// Adds a role's token that is not among the added tokens, with its id from vocab.json.
  void give_id(const std::string& content, const std::string& place) {
    if (contents_.contains(content)) return;
    const Json value = vocab_.value(content, Json());
    check_input(!value.is_null(),
                "{}: token \"{}\" has no id: neither vocab.json nor added_tokens.json has it; add it to one of them",
                place, content);
    const std::optional<TokenId> id = id_of(value);
    check_input(id.has_value(), "{}: token \"{}\" has id {}, expected a whole number from 0 on", vocab_path(), content,
                brief_json(value));
    add(content, *id, true, false, place);
  }

  std::string vocab_path() const { return (map_.path.parent_path() / "vocab.json").string(); }

  Json vocab_;
  File config_, map_, added_;
  std::map<std::string, Role> roles_;  // by content
  std::set<std::string> contents_;     // of tokens_
  std::vector<AddedToken> tokens_;
};

}  // namespace

std::vector<AddedToken> read_added_tokens(const fs::path& folder, const Json& vocab) {
  return AddedTokens(folder, vocab).read();
}

std::vector<AddedToken> read_tokens_beside(const fs::path& folder) {
  return AddedTokens(folder, Json::object()).read_beside();
}

}  // namespace kiln
