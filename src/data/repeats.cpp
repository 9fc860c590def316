// Compares documents by hash. A document that the tail's cut splits counts as whole on both sides.
#include "kiln/data/repeats.h"

#include "kiln/core/format.h"
#include "kiln/core/hash.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>

namespace kiln {
namespace {

constexpr std::size_t kRareShare = 100;  // repeats of less than one byte in so many are not reported

struct Hashed {
  std::uint64_t hash;
  std::size_t index;  // of the document
};

/// Sorts the documents by hash; equal ones keep their order.
std::vector<Hashed> sorted_by_hash(const Documents& documents) {
  std::vector<Hashed> hashes;
  for (std::size_t i = 0; i < documents.size(); ++i) hashes.push_back({hash_bytes(documents[i]), i});
  std::ranges::stable_sort(hashes, {}, &Hashed::hash);
  return hashes;
}

/// Counts documents that repeat others; keeps the first, and the one it repeats, as an example.
struct Repeats {
  std::size_t documents = 0, bytes = 0;
  std::string_view example, original;

  void add(std::string_view document, std::string_view repeated) {
    if (documents++ == 0) {
      example = document;
      original = repeated;
    }
    bytes += document.size();
  }

  bool are_many(const Documents& of) const {
    std::size_t all = 0;
    for (const std::string_view document : of) all += document.size();
    return documents > 0 && kRareShare * bytes >= all;
  }
};

std::string place(const Corpus& corpus, std::string_view document) {
  const TextPlace place = corpus.place_of(document.data());
  return place.offset == 0 ? place.name : fmt::format("{} at byte {}", place.name, place.offset);
}

/// Returns "2 of 10 documents (1.20 kB), such as b.txt, which repeats a.txt".
std::string describe(const Repeats& repeats, const Documents& among, const Corpus& corpus) {
  return fmt::format("{} of {} document{} ({}), such as {}, which repeats {}",
                     format_count(static_cast<std::int64_t>(repeats.documents)), format_count(std::ssize(among)),
                     among.size() == 1 ? "" : "s", format_bytes(static_cast<double>(repeats.bytes)),
                     place(corpus, repeats.example), place(corpus, repeats.original));
}

}  // namespace

std::vector<std::string> find_repeats(const Corpus& corpus) {
  Documents trained_on = corpus.train(), held_out = corpus.validation();
  if (corpus.is_cut_within_document()) {
    const std::string_view head = trained_on.back();
    trained_on.back() = held_out.front() = {head.data(), head.size() + held_out.front().size()};
  }
  const std::vector<Hashed> hashes = sorted_by_hash(trained_on);
  std::vector<std::size_t> original(trained_on.size());  // of each training document: the first equal one
  for (std::size_t i = 0; i < hashes.size(); ++i) {
    const bool is_first = i == 0 || hashes[i - 1].hash != hashes[i].hash;
    original[hashes[i].index] = is_first ? hashes[i].index : original[hashes[i - 1].index];
  }
  Repeats within, leaked;
  for (std::size_t i = 0; i < trained_on.size(); ++i) {
    if (original[i] != i) within.add(trained_on[i], trained_on[original[i]]);
  }
  for (const std::string_view document : held_out) {
    const std::uint64_t hash = hash_bytes(document);
    auto equal = std::ranges::lower_bound(hashes, hash, {}, &Hashed::hash);
    for (; equal != hashes.end() && equal->hash == hash; ++equal) {
      if (trained_on[equal->index].data() == document.data()) continue;  // the same document, split by the cut
      leaked.add(document, trained_on[equal->index]);
      break;
    }
  }
  std::vector<std::string> warnings;
  if (within.are_many(trained_on)) {
    warnings.push_back("training sees some text more often than the rest: " + describe(within, trained_on, corpus) +
                       ", word for word");
  }
  if (leaked.are_many(held_out)) {
    warnings.push_back(
        "the validation loss says little about other text, because training sees some of the held-out text too: " +
        describe(leaked, held_out, corpus) + ", word for word");
  }
  return warnings;
}

}  // namespace kiln
