// Encodes each conversation by itself, so that all threads share the work.
#include "kiln/data/encoded_conversations.h"

#include "kiln/core/error.h"
#include "kiln/core/hash.h"
#include "kiln/core/report.h"
#include "kiln/core/threads.h"
#include "kiln/data/source_files.h"
#include "kiln/text/document.h"

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

void note(const Encoded& encoded, EncodedConversations& result) {
  ChatCensus& census = result.census();
  census.longest = std::max(census.longest, encoded.full_length);
  if (encoded.is_dropped) {
    ++census.dropped;
  } else if (std::ranges::count(encoded.tokens.supervised, 1) == 0) {
    ++census.without_answer;
  } else {
    census.cut += encoded.is_cut ? 1 : 0;
    result.append(encoded.tokens);
  }
}

}  // namespace

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
    try {
      encoded[static_cast<std::size_t>(i)] = encoder.encode(conversation);
    } catch (const Error& error) {
      fail(error.code(), "{}: {}", conversation.place, error.what());
    }
  });
  EncodedConversations result;
  for (const Encoded& one : encoded) note(one, result);
  return result;
}

Conversations read_conversations(const DataConfig& config, const std::filesystem::path& base_directory,
                                 std::string_view key) {
  const std::vector<std::string>& include = config.include == kIncludedNames ? kConversationNames : config.include;
  Conversations result;
  const auto read = [](const std::vector<std::filesystem::path>& files, std::vector<Conversation>& to) {
    Index without_answer = 0;
    for (const std::filesystem::path& file : files) {
      without_answer +=
          read_conversations(file, [&](Conversation one) { to.push_back(std::move(one)); }).without_answer;
    }
    return without_answer;
  };
  const SourceFiles train = find_source_files(config.train, key, base_directory, include);
  const SourceFiles validation = find_source_files(config.validation, "data.validation", base_directory, include);
  check_held_out(train.files, validation.files);
  result.train_without_answer = read(train.files, result.train);
  read(validation.files, result.validation);
  if (config.validation.empty()) {
    const auto held_out = static_cast<Index>(config.validation_fraction * static_cast<double>(result.train.size()));
    const auto tail = result.train.end() - held_out;
    result.validation.assign(std::make_move_iterator(tail), std::make_move_iterator(result.train.end()));
    result.train.erase(tail, result.train.end());
  }
  check(!result.train.empty(), "{}: holds no conversation with an answer to train on", key);
  return result;
}

}  // namespace kiln
