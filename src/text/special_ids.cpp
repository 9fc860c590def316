// Looks names up among the special tokens first, then among the bytes of all tokens.
#include "kiln/text/special_ids.h"

#include "kiln/core/error.h"
#include "kiln/core/utf8.h"
#include "kiln/text/chat_template.h"
#include "kiln/text/document.h"

#include <algorithm>

namespace kiln {
namespace {

std::optional<TokenId> find_token(const Tokenizer& tokenizer, std::string_view text) {
  if (const std::optional<TokenId> special = tokenizer.special(text)) return special;
  for (TokenId id = 0; id < tokenizer.vocab_size(); ++id) {
    if (tokenizer.token_bytes(id) == text) return id;
  }
  return std::nullopt;
}

/// Returns the token that a key of the config names; none for "". The default name (`otherwise`) may be missing from
/// the vocabulary: older runs have it instead of null.
std::optional<TokenId> configured(const Tokenizer& tokenizer, const std::string& text, std::string_view key,
                                  std::string_view otherwise) {
  if (text.empty()) return std::nullopt;
  const std::optional<TokenId> id = find_token(tokenizer, text);
  if (!id && text != otherwise) {
    std::string known;
    for (const SpecialToken& token : tokenizer.special_tokens()) {
      known += fmt::format("{}\"{}\"", known.empty() ? "" : ", ", token.content);
    }
    fail(ExitCode::usage, "tokenizer.{}: the vocabulary has no token \"{}\"; its special tokens are {}", key, text,
         known.empty() ? "none" : known);
  }
  return id;
}

std::optional<TokenId> known(const Tokenizer& tokenizer, std::optional<TokenId> id) {
  return id && *id >= 0 && *id < tokenizer.vocab_size() ? id : std::nullopt;
}

/// Moves or inserts an id to the front of a list.
void put_first(std::vector<TokenId>& ids, TokenId id) {
  const auto found = std::ranges::find(ids, id);
  if (found == ids.end()) {
    ids.insert(ids.begin(), id);
  } else {
    std::rotate(ids.begin(), found, found + 1);
  }
}

/// Returns the ends that a model names, first the one that ends documents.
std::vector<TokenId> named_ends(const Tokenizer& tokenizer, const NamedTokens& named) {
  const std::optional<TokenId> preferred =
      named.end_text.empty() ? std::nullopt : find_token(tokenizer, named.end_text);
  std::vector<TokenId> ends;
  for (const std::vector<TokenId>* list : {&named.ends, &named.further_ends}) {
    const bool is_first = ends.empty();
    for (const TokenId id : *list) {
      if (known(tokenizer, id) && std::ranges::find(ends, id) == ends.end()) ends.push_back(id);
    }
    if (is_first && preferred && std::ranges::find(ends, *preferred) != ends.end()) put_first(ends, *preferred);
  }
  return ends.empty() && preferred ? std::vector{*preferred} : ends;
}

/// Returns the text that names exactly this token; "" for no token, or for a token that no text names.
std::string name_of(const Tokenizer& tokenizer, std::optional<TokenId> id) {
  if (!id) return "";
  const std::string text = tokenizer.token_bytes(*id);
  const bool names_it = utf8_valid_until(text) == text.size() && find_token(tokenizer, text) == id;
  return names_it ? text : "";
}

}  // namespace

SpecialIds special_ids(const Tokenizer& tokenizer, const TokenizerConfig& config, const NamedTokens& named) {
  SpecialIds ids;
  ids.ends = named_ends(tokenizer, named);
  if (config.end_of_text) {
    ids.end = configured(tokenizer, *config.end_of_text, "end_of_text", kEndOfText);
  } else {
    ids.end = ids.ends.empty() ? tokenizer.special(kEndOfText) : ids.ends.front();
  }
  if (ids.end) put_first(ids.ends, *ids.end);

  std::optional<TokenId> begin = known(tokenizer, named.begin);
  if (!begin && !named.begin_text.empty()) begin = find_token(tokenizer, named.begin_text);
  if (config.start_of_text) {
    ids.start = configured(tokenizer, *config.start_of_text, "start_of_text", kStart);
  } else {
    ids.start = begin && named.begins_documents ? begin : tokenizer.special(kStart);
  }
  ids.begin = begin ? begin : ids.start ? ids.start : ids.end;
  return ids;
}

std::optional<TokenId> padding_id(const Tokenizer& tokenizer, const SpecialIds& ids, std::string_view chat_template) {
  const auto may_occur = [&](const SpecialToken& token) {
    const bool is_mark =
        token.id == ids.start || token.id == ids.begin || std::ranges::find(ids.ends, token.id) != ids.ends.end();
    const bool is_inserted = token.content == kEndOfSentence || token.content == kParagraph;
    const auto is_within = [&](std::string_view text) { return text.find(token.content) != std::string_view::npos; };
    const auto is_named = [&](std::string_view role) { return token.content.find(role) != std::string::npos; };
    const bool is_of_role = std::ranges::any_of(kChatRoles, is_named);  // a template may write '<|' + role + '|>'
    return is_mark || is_inserted || token.in_any_text || is_of_role || is_within(chat_template);
  };
  std::optional<TokenId> unused;
  for (const SpecialToken& token : tokenizer.special_tokens()) {
    if (may_occur(token)) continue;
    const bool is_named_so =
        token.content.find("pad") != std::string::npos || token.content.find("PAD") != std::string::npos;
    if (is_named_so) return token.id;
    if (!unused) unused = token.id;
  }
  return unused ? unused : find_token(tokenizer, "\xff");
}

TokenizerConfig with_names(TokenizerConfig config, const Tokenizer& tokenizer, const SpecialIds& ids) {
  config.start_of_text = name_of(tokenizer, ids.start);
  config.end_of_text = name_of(tokenizer, ids.end);
  return config;
}

std::string describe(const DocumentMarks& marks, const Tokenizer& tokenizer) {
  const auto token = [&](TokenId id) {
    return fmt::format("{} (id {})", utf8_replace_invalid(tokenizer.token_bytes(id)), id);
  };
  if (!marks.start && !marks.end) return "";
  std::string text = "documents";
  if (marks.start) text += " begin with " + token(*marks.start);
  if (marks.end) text += fmt::format("{} end with {}", marks.start ? " and" : "", token(*marks.end));
  return text;
}

}  // namespace kiln
