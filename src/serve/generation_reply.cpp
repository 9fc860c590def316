// Puts replies together as text: a stream has an event for each token, and a JSON value of each would cost too much.
#include "serve/generation_reply.h"

#include "kiln/core/utf8.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <utility>

namespace kiln {
namespace {

constexpr double kLeast = -9999.0;  // of log probabilities
constexpr std::string_view kEventBegin = "data: ", kEventEnd = "\n\n";

bool is_plain(char c) { return c >= ' ' && c <= '~' && c != '"' && c != '\\'; }

/// Returns whether the text has a character at which some clients would end an event's line.
bool ends_lines(std::string_view text) {
  constexpr std::string_view kEnds[] = {"\u0085", "\u2028", "\u2029"};
  return std::ranges::any_of(kEnds, [&](std::string_view end) { return text.find(end) != std::string_view::npos; });
}

void append_in_quotes(std::string& json, std::string_view text) {
  if (std::ranges::all_of(text, is_plain)) {
    json.append(1, '"').append(text).append(1, '"');
  } else {
    json += Json(text).dump(-1, ' ', ends_lines(text), Json::error_handler_t::replace);
  }
}

std::string in_quotes(std::string_view text) {
  std::string json;
  append_in_quotes(json, text);
  return json;
}

/// Appends a log probability, always with a point or an exponent: some clients read -1 as an integer.
void append_number(std::string& json, double log_probability) {
  const std::size_t begin = json.size();
  fmt::format_to(std::back_inserter(json), "{}", std::clamp(log_probability, kLeast, 0.0) + 0.0);  // no -0
  if (json.find_first_of(".e", begin) == std::string::npos) json += ".0";
}

template <class Range, class Append>
void append_list(std::string& json, const Range& range, const Append& append) {
  json += '[';
  for (bool is_first = true; const auto& each : range) {
    if (!std::exchange(is_first, false)) json += ',';
    append(each);
  }
  json += ']';
}

/// How a token is written.
struct TokenText {
  TokenText(TokenId token, const Tokenizer& tokenizer) : has_bytes(token < tokenizer.vocab_size()) {
    if (!has_bytes) {  // a model's vocabulary may be greater than its tokenizer's
      text = fmt::format("token_id:{}", token);
      return;
    }
    text = bytes = tokenizer.decode(std::span(&token, 1));
    if (utf8_valid_until(bytes) == bytes.size()) return;
    text = "bytes:";
    for (const char c : bytes) {
      if (c >= ' ' && c <= '~') {
        text += c;
      } else {
        fmt::format_to(std::back_inserter(text), "\\x{:02x}", static_cast<unsigned char>(c));
      }
    }
  }

  std::string text, bytes;
  bool has_bytes;
};

/// A token with its log probability: the drawn one, or another likely one.
struct Likely {
  TokenId token;
  double log_probability;
};

/// Returns the likeliest tokens. The token itself has the very number that it has elsewhere, since clients compare them
/// to see whether it was the likeliest.
std::vector<Likely> likeliest(const DecodedToken& token) {
  std::vector<Likely> top;
  for (const auto& [id, probability] : token.top) {
    top.push_back({id, id == token.token ? token.log_probability : std::log(probability)});
  }
  return top;
}

/// Appends {"token", "logprob", "bytes", without the last brace.
void append_open_token(std::string& json, const Likely& likely, const Tokenizer& tokenizer) {
  const TokenText written(likely.token, tokenizer);
  json += "{\"token\":";
  append_in_quotes(json, written.text);
  json += ",\"logprob\":";
  append_number(json, likely.log_probability);
  json += ",\"bytes\":";
  if (!written.has_bytes) {
    json += "null";
  } else {
    append_list(json, written.bytes, [&](char c) {
      const fmt::format_int number(static_cast<unsigned char>(c));
      json.append(number.data(), number.size());
    });
  }
}

std::string chat_log_probabilities(std::span<const DecodedToken> tokens, const Tokenizer& tokenizer) {
  std::string json = "{\"content\":";
  append_list(json, tokens, [&](const DecodedToken& token) {
    append_open_token(json, {token.token, token.log_probability}, tokenizer);
    json += ",\"top_logprobs\":";
    append_list(json, likeliest(token), [&](const Likely& likely) {
      append_open_token(json, likely, tokenizer);
      json += '}';
    });
    json += '}';
  });
  return json += ",\"refusal\":null}";
}

/// Appends {token: log probability, ...}. Of tokens that are written alike, only the likeliest has a place.
void append_alternatives(std::string& json, const DecodedToken& token, const Tokenizer& tokenizer) {
  std::vector<Likely> all = likeliest(token);
  if (std::ranges::find(all, token.token, &Likely::token) == all.end()) {
    all.push_back({token.token, token.log_probability});
  }
  std::vector<std::string> written;
  json += '{';
  for (const Likely& likely : all) {
    std::string text = TokenText(likely.token, tokenizer).text;
    if (std::ranges::find(written, text) != written.end()) continue;
    if (!written.empty()) json += ',';
    append_in_quotes(json, text);
    json += ':';
    append_number(json, likely.log_probability);
    written.push_back(std::move(text));
  }
  json += '}';
}

std::size_t count_characters(std::string_view text) {
  return static_cast<std::size_t>(std::ranges::count_if(text, [](char c) { return (c & 0xC0) != 0x80; }));
}

void append_usage(std::string& json, const TokenUsage& usage) {
  fmt::format_to(std::back_inserter(json),
                 "\"usage\":{{\"prompt_tokens\":{},\"completion_tokens\":{},\"total_tokens\":{},"
                 "\"prompt_tokens_details\":{{\"cached_tokens\":{}}}}}",
                 usage.prompt, usage.drawn, usage.prompt + usage.drawn, usage.cached);
}

/// Appends a choice; `content` is its member for the text, and `finish_reason` "" if it continues.
void append_choice(std::string& json, Index index, std::string_view content, std::string_view log_probabilities,
                   std::string_view finish_reason) {
  const fmt::format_int number(index);
  json.append("{\"index\":").append(number.data(), number.size()).append(1, ',').append(content);
  json.append(",\"logprobs\":").append(log_probabilities.empty() ? "null" : log_probabilities);
  json += ",\"finish_reason\":";
  if (finish_reason.empty()) {
    json += "null";
  } else {
    append_in_quotes(json, finish_reason);
  }
  json += '}';
}

}  // namespace

GenerationReply::GenerationReply(bool is_chat, const std::string& id, std::int64_t created, const std::string& model,
                                 bool log_probabilities, const Tokenizer& tokenizer)
    : is_chat_(is_chat), log_probabilities_(log_probabilities), tokenizer_(&tokenizer) {
  const auto head = [&](std::string_view object) {
    return fmt::format(R"({{"id":{},"object":"{}","created":{},"model":{},"choices":[)",
                       in_quotes((is_chat ? "chatcmpl-" : "cmpl-") + id), object, created, in_quotes(model));
  };
  head_ = head(is_chat ? "chat.completion" : "text_completion");
  chunk_head_ = std::string(kEventBegin) + head(is_chat ? "chat.completion.chunk" : "text_completion");
}

Json GenerationReply::whole(std::span<const FinishedAnswer> answers, const TokenUsage& usage) const {
  std::string json = head_;
  for (Index i = 0; i < std::ssize(answers); ++i) {
    const auto& [whole, finish_reason] = answers[static_cast<std::size_t>(i)];
    const std::string text = in_quotes(whole.text);
    const std::string content =
        is_chat_ ? fmt::format(R"("message":{{"role":"assistant","content":{},"refusal":null}})", text)
                 : "\"text\":" + text;
    Before before = nothing_before();
    if (i > 0) json += ',';
    append_choice(json, i, content, log_probabilities_of(whole.tokens, before), finish_reason);
  }
  json += "],";
  append_usage(json, usage);
  return Json::parse(json += '}');
}

std::string GenerationReply::begin(Index choice) const {
  return is_chat_ ? chunk(choice, R"("delta":{"role":"assistant","content":""})", "", "") : "";
}

std::string GenerationReply::piece(Index choice, const AnswerPiece& piece) {
  const auto index = static_cast<std::size_t>(choice);
  while (log_probabilities_ && before_.size() <= index) before_.push_back(nothing_before());
  std::string content = is_chat_ ? "\"delta\":{\"content\":" : "\"text\":";
  append_in_quotes(content, piece.text);
  if (is_chat_) content += '}';
  return chunk(choice, content, log_probabilities_ ? log_probabilities_of(piece.tokens, before_[index]) : "", "");
}

std::string GenerationReply::end(Index choice, std::string_view finish_reason) const {
  return chunk(choice, is_chat_ ? "\"delta\":{}" : "\"text\":\"\"", "", finish_reason);
}

std::string GenerationReply::usage(const TokenUsage& usage) const {
  std::string event = chunk_head_ + "],";
  append_usage(event, usage);
  return event.append("}").append(kEventEnd);
}

std::string GenerationReply::done() { return "data: [DONE]\n\n"; }

std::string GenerationReply::chunk(Index choice, std::string_view content, std::string_view log_probabilities,
                                   std::string_view finish_reason) const {
  constexpr std::size_t kRest = 80;  // bytes of a choice's other members, and the end
  std::string event;
  event.reserve(chunk_head_.size() + content.size() + log_probabilities.size() + kRest);
  event += chunk_head_;
  append_choice(event, choice, content, log_probabilities, finish_reason);
  return event.append("]}").append(kEventEnd);
}

GenerationReply::Before GenerationReply::nothing_before() const {
  return {.stream = TokenStream(*tokenizer_, {}, std::nullopt)};
}

/// Returns the member "logprobs" of a choice, or "" if it is null. Counts the characters of completions' tokens.
std::string GenerationReply::log_probabilities_of(std::span<const DecodedToken> tokens, Before& before) const {
  if (!log_probabilities_) return "";
  if (is_chat_) return chat_log_probabilities(tokens, *tokenizer_);
  std::string json = "{\"tokens\":";
  append_list(json, tokens,
              [&](const DecodedToken& token) { append_in_quotes(json, TokenText(token.token, *tokenizer_).text); });
  json += ",\"token_logprobs\":";
  append_list(json, tokens, [&](const DecodedToken& token) {
    if (std::isnan(token.log_probability)) {
      json += "null";
    } else {
      append_number(json, token.log_probability);
    }
  });
  json += ",\"top_logprobs\":";
  append_list(json, tokens, [&](const DecodedToken& token) {
    if (std::isnan(token.log_probability)) {
      json += "null";
    } else {
      append_alternatives(json, token, *tokenizer_);
    }
  });
  json += ",\"text_offset\":";
  append_list(json, tokens, [&](const DecodedToken& token) {
    json += std::to_string(before.characters);
    if (token.token < tokenizer_->vocab_size()) before.characters += count_characters(before.stream.push(token.token));
  });
  return json += '}';
}

}  // namespace kiln
