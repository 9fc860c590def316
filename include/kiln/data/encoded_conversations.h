// Encodes conversations as the tokens that a model reads, and counts what they hold.
#pragma once

#include "kiln/data/conversation.h"
#include "kiln/data/data_config.h"
#include "kiln/tensor/view.h"
#include "kiln/text/chat_template.h"

#include <array>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace kiln {

/// What happens to a conversation longer than the context. drop: it is left out; cut: its oldest turns are, and it is
/// left out only if its last turn alone is too long. A system message stays.
enum class TooLong { drop, cut };
inline constexpr std::array<std::string_view, 2> kTooLong{"drop", "cut"};
inline std::span<const std::string_view> names_of(TooLong) { return kTooLong; }

struct ChatEncoding {
  Supervise supervise = Supervise::assistant;
  TooLong too_long = TooLong::drop;
  Index n_ctx = 0;  // the inputs of a conversation are all its tokens but the last
};

/// What a set of conversations holds.
struct ChatCensus {
  Index conversations = 0;   // encoded
  Index tokens = 0;          // of these
  Index supervised = 0;      // of these tokens
  Index ends = 0;            // of the supervised ones: those that end a turn
  Index longest = 0;         // tokens of the longest, before any was dropped or cut
  Index dropped = 0;         // too long
  Index cut = 0;             // too long, and shortened
  Index without_answer = 0;  // left out: nothing in them is supervised

  /// Adds what another set holds.
  void add(const ChatCensus& other);
};

/// What a source holds.
struct SourceCensus {
  std::string name;
  double weight = 1;
  ChatCensus census;
  Index draws = 0;  // conversations of an epoch of training, repeats included
};

/// Conversations as tokens, end to end.
class EncodedConversations {
 public:
  Index size() const { return std::ssize(begins_) - 1; }
  std::span<const TokenId> ids(Index i) const { return part(ids_, i); }
  std::span<const std::uint8_t> supervised(Index i) const { return part(supervised_, i); }
  const ChatCensus& census() const { return census_; }

  /// Returns a hash of all tokens and of which are supervised.
  std::uint64_t digest() const;

  /// Appends a conversation. `tokens` holds a supervised token other than the first.
  void append(const ChatTokens& tokens);

  /// Appends another set as a source.
  void append(const EncodedConversations& source, std::string name, double weight);

  /// Returns what the sources hold, in order; none if there is one without a name.
  const std::vector<SourceCensus>& sources() const { return sources_; }
  ChatCensus& census() { return census_; }

 private:
  template <class T>
  std::span<const T> part(const std::vector<T>& all, Index i) const {
    const auto begin = static_cast<std::size_t>(begins_[static_cast<std::size_t>(i)]);
    const auto end = static_cast<std::size_t>(begins_[static_cast<std::size_t>(i) + 1]);
    return std::span(all).subspan(begin, end - begin);
  }

  std::vector<TokenId> ids_;
  std::vector<std::uint8_t> supervised_;
  std::vector<Index> begins_{0};  // of each conversation, and the end of the last
  ChatCensus census_;
  std::vector<SourceCensus> sources_;
};

/// Returns a hash of both, by which a resumed run knows its data.
std::uint64_t digest_of(const EncodedConversations& train, const EncodedConversations& validation);

/// Encodes conversations, on all threads. A document without roles is encoded between the marks of `ids`, all of it
/// supervised. Throws Error (bad_input) where Tokenizer::encode throws, with the conversation's place.
EncodedConversations encode_conversations(std::span<const Conversation> conversations, const ChatTemplate& chat,
                                          const Tokenizer& tokenizer, const SpecialIds& ids,
                                          const ChatEncoding& encoding);

/// The conversations of data.train, of a source of data.mix, or of a name in data.validation.
struct ConversationSource {
  std::string name;  // of its files
  double weight = 1;
  std::vector<Conversation> conversations;
  Index without_answer = 0;  // skipped by the reader
};

/// The conversations of a config's data.
struct Conversations {
  std::vector<ConversationSource> train;
  std::vector<ConversationSource> validation;  // data.validation, or else the tail of each source to train on
};

/// Encodes each source, one after the other, as encode_conversations does.
EncodedConversations encode_sources(std::span<const ConversationSource> sources, const ChatTemplate& chat,
                                    const Tokenizer& tokenizer, const SpecialIds& ids, const ChatEncoding& encoding);

/// Reads the conversations of data.train or data.mix, and of data.validation. In folders only .jsonl and .json files
/// count, unless data.include names others. `key` names the data to train on in messages. Throws Error as
/// find_source_files and read_conversations do, bad_input if there is none to train on, and usage if a file is both
/// trained on and held out, or in two sources.
Conversations read_conversations(const DataConfig& config, const std::filesystem::path& base_directory,
                                 std::string_view key = "data.train");

}  // namespace kiln
