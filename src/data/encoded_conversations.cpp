// Encodes each conversation by itself, so that all threads share the work.
#include "kiln/data/encoded_conversations.h"

#include "kiln/core/error.h"
#include "kiln/core/hash.h"
#include "kiln/core/report.h"
#include "kiln/core/threads.h"
#include "kiln/data/source_files.h"
#include "kiln/text/document.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

namespace kiln {
namespace {

/// A conversation's tokens, and what it took to make them fit; none if it is left out.
struct Encoded {
  ChatTokens tokens;
  Index full_length = 0;  // before it was cut
  bool is_cut = false, is_dropped = false;
};

class ConversationEncoder {
 public:
  ConversationEncoder(const ChatTemplate& chat, const Tokenizer& tokenizer, const SpecialIds& ids,
                      const ChatEncoding& encoding)
      : chat_(chat), tokenizer_(tokenizer), ids_(ids), encoding_(encoding) {}

  Encoded encode(const Conversation& conversation) const {
    Encoded result;
    result.tokens = conversation.messages.empty() ? document(conversation.text) : turns(conversation.messages);
    result.full_length = std::ssize(result.tokens.ids);
    if (fits(result.tokens)) return result;
    result.is_cut = encoding_.too_long == TooLong::cut && cut(conversation.messages, result.tokens);
    result.is_dropped = !result.is_cut;
    return result;
  }

 private:
  bool fits(const ChatTokens& tokens) const { return std::ssize(tokens.ids) - 1 <= encoding_.n_ctx; }

  ChatTokens turns(std::span<const ChatMessage> messages) const { return chat_.tokens(messages, encoding_.supervise); }

  ChatTokens document(const std::string& text) const {
    ChatTokens tokens{encode_document(tokenizer_, text, ids_.marks()), {}};
    tokens.supervised.assign(tokens.ids.size(), 1);
    if (!tokens.supervised.empty()) tokens.supervised.front() = 0;
    return tokens;
  }

  /// Leaves out the oldest turns until the rest fits; returns false if not even the last turn does. A turn begins with
  /// a user's message.
  bool cut(std::vector<ChatMessage> messages, ChatTokens& tokens) const {
    const auto is_user = [](const ChatMessage& message) { return message.role == ChatRole::user; };
    const bool has_system = !messages.empty() && messages.front().role == ChatRole::system;
    for (;;) {
      const auto first = messages.begin() + (has_system ? 1 : 0);
      if (first == messages.end()) return false;
      const auto next = std::find_if(first + 1, messages.end(), is_user);
      if (next == messages.end()) return false;
      messages.erase(first, next);
      tokens = turns(messages);
      if (fits(tokens)) return true;
    }
  }

  const ChatTemplate& chat_;
  const Tokenizer& tokenizer_;
  const SpecialIds& ids_;
  const ChatEncoding& encoding_;
};

double bytes_of(std::span<const Conversation> conversations) {
  std::size_t bytes = 0;
  for (const Conversation& conversation : conversations) {
    bytes += conversation.text.size();
    for (const ChatMessage& message : conversation.messages) bytes += message.content.size();
  }
  return static_cast<double>(bytes);
}

void note(const Encoded& encoded, TokenId end_of_turn, EncodedConversations& result) {
  ChatCensus& census = result.census();
  census.longest = std::max(census.longest, encoded.full_length);
  if (encoded.is_dropped) {
    ++census.dropped;
  } else if (std::ranges::count(encoded.tokens.supervised, 1) == 0) {
    ++census.without_answer;
  } else {
    census.cut += encoded.is_cut ? 1 : 0;
    const ChatTokens& tokens = encoded.tokens;
    for (std::size_t i = 0; i < tokens.ids.size(); ++i)
      census.ends += tokens.supervised[i] != 0 && tokens.ids[i] == end_of_turn ? 1 : 0;
    result.append(encoded.tokens);
  }
}

/// Moves the last conversations of each source to those that are held out.
void hold_out_tails(double fraction, Conversations& conversations) {
  for (ConversationSource& source : conversations.train) {
    std::vector<Conversation>& all = source.conversations;
    const auto count = static_cast<Index>(fraction * static_cast<double>(all.size()));
    const auto tail = std::make_move_iterator(all.end() - count);
    conversations.validation.push_back(
        {.name = source.name, .conversations = {tail, std::make_move_iterator(all.end())}});
    all.erase(all.end() - count, all.end());
  }
}

}  // namespace

void ChatCensus::add(const ChatCensus& other) {
  conversations += other.conversations;
  tokens += other.tokens;
  supervised += other.supervised;
  ends += other.ends;
  longest = std::max(longest, other.longest);
  dropped += other.dropped;
  cut += other.cut;
  without_answer += other.without_answer;
}

void EncodedConversations::append(const EncodedConversations& source, std::string name, double weight) {
  const Index before = std::ssize(ids_);
  ids_.insert(ids_.end(), source.ids_.begin(), source.ids_.end());
  supervised_.insert(supervised_.end(), source.supervised_.begin(), source.supervised_.end());
  for (auto end = source.begins_.begin() + 1; end != source.begins_.end(); ++end) begins_.push_back(before + *end);
  census_.add(source.census_);
  sources_.push_back({std::move(name), weight, source.census_});
}

void EncodedConversations::append(const ChatTokens& tokens) {
  ids_.insert(ids_.end(), tokens.ids.begin(), tokens.ids.end());
  supervised_.insert(supervised_.end(), tokens.supervised.begin(), tokens.supervised.end());
  begins_.push_back(std::ssize(ids_));
  ++census_.conversations;
  census_.tokens += std::ssize(tokens.ids);
  census_.supervised += std::ranges::count(tokens.supervised, 1);
}

std::uint64_t EncodedConversations::digest() const {
  const auto hash = [](const auto& values) {
    const auto bytes = std::as_bytes(std::span(values));
    return hash_bytes(std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
  };
  return hash(std::vector<std::uint64_t>{hash(ids_), hash(supervised_), hash(begins_)});
}

std::uint64_t digest_of(const EncodedConversations& train, const EncodedConversations& validation) {
  const std::uint64_t digests[] = {train.digest(), validation.digest()};
  return hash_bytes({reinterpret_cast<const char*>(digests), sizeof digests});
}

EncodedConversations encode_conversations(std::span<const Conversation> conversations, const ChatTemplate& chat,
                                          const Tokenizer& tokenizer, const SpecialIds& ids,
                                          const ChatEncoding& encoding) {
  const ConversationEncoder encoder(chat, tokenizer, ids, encoding);
  std::vector<Encoded> encoded(conversations.size());
  const Work work("encoding", bytes_of(conversations), "bytes");  // the tokenizer advances it
  parallel_each(std::ssize(conversations), [&](Index i) {
    const Conversation& conversation = conversations[static_cast<std::size_t>(i)];
    encoded[static_cast<std::size_t>(i)] = at_place(conversation.place, [&] { return encoder.encode(conversation); });
  });
  EncodedConversations result;
  for (const Encoded& one : encoded) note(one, chat.end_of_turn(), result);
  return result;
}

EncodedConversations encode_sources(std::span<const ConversationSource> sources, const ChatTemplate& chat,
                                    const Tokenizer& tokenizer, const SpecialIds& ids, const ChatEncoding& encoding) {
  EncodedConversations all;
  for (const ConversationSource& source : sources) {
    EncodedConversations encoded = encode_conversations(source.conversations, chat, tokenizer, ids, encoding);
    encoded.census().without_answer += source.without_answer;
    all.append(encoded, source.name, source.weight);
  }
  return all;
}

Conversations read_conversations(const DataConfig& config, const std::filesystem::path& base_directory,
                                 std::string_view key) {
  const std::vector<std::string>& include = config.include == kIncludedNames ? kConversationNames : config.include;
  Conversations result;
  std::vector<std::filesystem::path> trained_on;
  const auto read = [&](const std::vector<std::string>& names, std::string_view of, double weight) {
    const SourceFiles found = find_source_files(names, of, base_directory, include);
    ConversationSource source{.name = name_of_files(found.files), .weight = weight, .conversations = {}};
    for (const std::filesystem::path& file : found.files) {
      source.without_answer += read_conversations(file, [&](Conversation one) {
                                 source.conversations.push_back(std::move(one));
                               }).without_answer;
    }
    return std::pair(std::move(source), found.files);
  };
  const auto train_on = [&](const std::vector<std::string>& names, std::string_view of, double weight) {
    auto [source, files] = read(names, of, weight);
    for (const std::filesystem::path& file : files) {
      check(config.mix.empty() || std::ranges::find(trained_on, file) == trained_on.end(),
            "{}: {} is named twice; keep it in one source", of, file.string());
      trained_on.push_back(file);
    }
    result.train.push_back(std::move(source));
  };
  if (config.mix.empty()) train_on(config.train, key, 1);
  for (std::size_t i = 0; i < config.mix.size(); ++i) {
    train_on(config.mix[i].files, fmt::format("data.mix[{}].files", i), config.mix[i].weight);
  }
  for (const std::string& name : config.validation) {
    auto [source, files] = read({name}, "data.validation", 1);
    check_held_out(trained_on, files);
    result.validation.push_back(std::move(source));
  }
  if (config.validation.empty()) hold_out_tails(config.validation_fraction, result);
  const auto is_empty = [](const ConversationSource& source) { return source.conversations.empty(); };
  check_input(!std::ranges::all_of(result.train, is_empty), "{}: {}: no conversation with an answer to train on",
              config.mix.empty() ? key : "data.mix", name_of_files(trained_on));
  return result;
}

}  // namespace kiln
