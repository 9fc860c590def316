// Compares documents and conversations by hash. A document that the tail's cut splits counts as whole on both sides.
#include "kiln/data/repeats.h"

#include "kiln/core/format.h"
#include "kiln/core/hash.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string_view>
#include <utility>

namespace kiln {
namespace {

constexpr std::size_t kRareShare = 100;  // repeats of less than one byte in so many are not reported

/// A document or a conversation.
struct Sample {
  std::uint64_t hash;
  std::size_t bytes, id;  // the halves of a document that the cut splits have one id
};

struct Samples {
  std::vector<Sample> train, held_out;
  std::string_view unit;
  std::function<std::string(std::size_t)> place;  // of an id
};

std::size_t bytes_of(std::span<const Sample> samples) {
  std::size_t bytes = 0;
  for (const Sample& sample : samples) bytes += sample.bytes;
  return bytes;
}

/// Samples that repeat others, in order, each with the one it repeats.
using Repeats = std::vector<std::pair<Sample, Sample>>;

/// Returns the samples of `some` that are among `others` under another id. Of equal ones in `others`, which are sorted
/// by hash, the first counts.
Repeats repeats_of(std::span<const Sample> some, std::span<const Sample> others) {
  Repeats repeats;
  for (const Sample& sample : some) {
    const auto first = std::ranges::lower_bound(others, sample.hash, {}, &Sample::hash);
    auto equal = first;
    while (equal != others.end() && equal->hash == sample.hash && equal->id == sample.id) ++equal;
    if (equal != others.end() && equal->hash == sample.hash) repeats.emplace_back(sample, *equal);
  }
  return repeats;
}

/// Returns "2 of 10 documents (1.20 kB), such as b.txt, which repeats a.txt"; "" if there are few.
std::string describe(const Repeats& repeats, std::span<const Sample> among, const Samples& samples) {
  std::size_t bytes = 0;
  for (const auto& [sample, original] : repeats) bytes += sample.bytes;
  if (repeats.empty() || kRareShare * bytes < bytes_of(among)) return "";
  const auto& [example, original] = repeats.front();
  return fmt::format("{} of {} ({}), such as {}, which repeats {}, word for word", format_count(std::ssize(repeats)),
                     counted(std::ssize(among), samples.unit), format_bytes(static_cast<double>(bytes)),
                     samples.place(example.id), samples.place(original.id));
}

std::vector<std::string> warnings_of(const Samples& samples) {
  std::vector<Sample> sorted = samples.train;
  std::ranges::stable_sort(sorted, {}, &Sample::hash);
  Repeats within = repeats_of(samples.train, sorted);
  std::erase_if(within, [](const auto& repeat) { return repeat.first.id < repeat.second.id; });  // the first of equals
  std::vector<std::string> warnings;
  if (const std::string text = describe(within, samples.train, samples); !text.empty())
    warnings.push_back("training sees some text more often than the rest: " + text);
  const Repeats leaked = repeats_of(samples.held_out, sorted);
  if (const std::string text = describe(leaked, samples.held_out, samples); !text.empty()) {
    warnings.push_back(
        "the validation loss says little about other text, because training sees some of the held-out text too: " +
        text);
  }
  return warnings;
}

Sample sample_of(std::string_view text, std::size_t id) { return {hash_bytes(text), text.size(), id}; }

Sample sample_of(const Conversation& conversation, std::size_t id) {
  Sample sample = sample_of(conversation.text, id);
  for (const ChatMessage& message : conversation.messages) {
    sample.hash = hash_bytes(message.content, sample.hash + static_cast<std::uint64_t>(message.role));
    sample.bytes += message.content.size();
  }
  return sample;
}

}  // namespace

std::vector<std::string> find_repeats(const Corpus& corpus) {
  Documents documents = corpus.train();
  const std::size_t trained_on = documents.size();
  Documents held_out = corpus.validation();
  if (corpus.is_cut_within_document()) {
    std::string_view& head = documents.back();
    head = {head.data(), head.size() + held_out.front().size()};
    held_out.erase(held_out.begin());
  }
  documents.insert(documents.end(), held_out.begin(), held_out.end());
  Samples samples{.train = {}, .held_out = {}, .unit = "document", .place = [&](std::size_t id) {
                    const TextPlace place = corpus.place_of(documents[id].data());
                    return place.offset == 0 ? place.name : fmt::format("{} at byte {}", place.name, place.offset);
                  }};
  for (std::size_t id = 0; id < documents.size(); ++id) {
    const Sample sample = sample_of(documents[id], id);
    const bool is_split = corpus.is_cut_within_document() && id + 1 == trained_on;
    if (id < trained_on) samples.train.push_back(sample);
    if (id >= trained_on || is_split) samples.held_out.push_back(sample);
  }
  return warnings_of(samples);
}

std::vector<std::string> find_repeats(const Conversations& conversations) {
  std::vector<const Conversation*> all;
  Samples samples{
      .train = {}, .held_out = {}, .unit = "conversation", .place = [&](std::size_t id) { return all[id]->place; }};
  const auto add = [&](std::span<const ConversationSource> sources, std::vector<Sample>& to) {
    for (const ConversationSource& source : sources) {
      for (const Conversation& conversation : source.conversations) {
        to.push_back(sample_of(conversation, all.size()));
        all.push_back(&conversation);
      }
    }
  };
  add(conversations.train, samples.train);
  add(conversations.validation, samples.held_out);
  return warnings_of(samples);
}

}  // namespace kiln
