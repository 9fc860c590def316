// Checks every id against the number of entries before it is used as an index.
#include "text/vocabulary.h"

#include "kiln/core/error.h"
#include "kiln/core/format.h"
#include "kiln/core/utf8.h"
#include "kiln/text/byte_level.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <limits>
#include <unordered_set>

namespace kiln {

Vocabulary::Vocabulary(const Json& vocab, std::vector<AddedToken> added, std::string_view source) : source_(source) {
  check_input(vocab.is_object(), "{}: the vocabulary is not a JSON object of token and id", source_);
  std::ranges::sort(added, {}, [](const AddedToken& one) { return one.token.id; });
  for (AddedToken& one : added) {
    added_.push_back(std::move(one.token));
    places_.push_back(std::move(one.place));
  }
  std::unordered_set<std::string_view> new_tokens;  // added ones that the object lacks
  for (const SpecialToken& token : added_) new_tokens.insert(token.content);
  for (const auto& [name, id] : vocab.items()) new_tokens.erase(name);
  const std::size_t count = vocab.size() + new_tokens.size();
  check_input(count > 0 && count <= std::numeric_limits<TokenId>::max(), "{}: has {}, which is not a vocabulary",
              source_, counted(static_cast<std::int64_t>(count), "token"));
  names_.resize(count);
  std::vector<bool> used(count);
  const auto put = [&](std::string_view place, std::string_view what, const std::string& name, const Json& id) {
    const bool whole = id.is_number_integer() && (id.is_number_unsigned() || id.get<std::int64_t>() >= 0);
    check_input(whole && id.get<std::uint64_t>() < count,
                "{}: {} \"{}\" has id {}; with {}, ids are the whole numbers 0 to {}, none left out", place, what, name,
                brief_json(id), counted(static_cast<std::int64_t>(count), "token"), count - 1);
    const auto at = id.get<std::size_t>();
    check_input(!used[at], "{}: tokens \"{}\" and \"{}\" have the same id {}; each must have its own", place,
                names_[at], name, at);
    names_[at] = name;
    used[at] = true;
  };
  for (const auto& [name, id] : vocab.items()) put(source_, "token", name, id);
  for (std::size_t i = 0; i < added_.size(); ++i) {
    const SpecialToken& token = added_[i];
    if (new_tokens.contains(token.content)) put(places_[i], "added token", token.content, token.id);
  }
  ids_.reserve(count);
  for (std::size_t id = 0; id < count; ++id) ids_.emplace(names_[id], static_cast<TokenId>(id));
  for (std::size_t i = 0; i < added_.size(); ++i) {
    const SpecialToken& token = added_[i];
    const TokenId id = ids_.at(token.content);
    check_input(id == token.id, "{}: added token \"{}\" has id {}, but {} in the vocabulary ({}); they must agree",
                places_[i], token.content, token.id, id, source_);
  }
}

bool Vocabulary::is_added(TokenId id) const { return std::ranges::binary_search(added_, id, {}, &SpecialToken::id); }

const std::string* Vocabulary::place_of_added(std::string_view name) const {
  const auto found = ids_.find(name);
  if (found == ids_.end() || !is_added(found->second)) return nullptr;
  const auto at = std::ranges::lower_bound(added_, found->second, {}, &SpecialToken::id) - added_.begin();
  return &places_[static_cast<std::size_t>(at)];
}

std::vector<std::string> Vocabulary::byte_level_tokens() const {
  std::vector<std::string> tokens(names_.size());
  for (std::size_t id = 0; id < names_.size(); ++id) {
    if (is_added(static_cast<TokenId>(id))) continue;
    std::optional<std::string> bytes = byte_level_decode(names_[id]);
    check_input(bytes && !bytes->empty(), "{}: token \"{}\" (id {}) is not written in byte-level characters", source_,
                names_[id], id);
    tokens[id] = *std::move(bytes);
  }
  return tokens;
}

std::optional<TokenId> Vocabulary::find(std::string_view name) const {
  const auto found = ids_.find(name);
  return found == ids_.end() || is_added(found->second) ? std::nullopt : std::optional(found->second);
}

void MergeList::add(std::string_view left, std::string_view right, std::size_t number) {
  const Merge merge{find(left, number), find(right, number), find(std::string(left).append(right), number)};
  std::optional<std::size_t>& known = numbers_[{merge.left, merge.right}];
  if (known) {
    fail(ExitCode::bad_input, "{}: the merge is already in {}; remove one of them", place_(number), place_(*known));
  }
  known = number;
  merges_.push_back(merge);
}

TokenId MergeList::find(std::string_view name, std::size_t number) const {
  const std::optional<TokenId> id = vocabulary_.find(name);
  if (const std::string* place = id ? nullptr : vocabulary_.place_of_added(name); place != nullptr) {
    fail(ExitCode::bad_input,
         "{}: names \"{}\" as a special or added token, but {} merges it into words; kiln reads no token that is both. "
         "Name another one",
         *place, utf8_replace_invalid(name), place_(number));
  }
  if (!id) {
    fail(ExitCode::bad_input, "{}: token \"{}\" is not in the vocabulary; a merge's two parts and its result must be",
         place_(number), utf8_replace_invalid(name));
  }
  return *id;
}

}  // namespace kiln
