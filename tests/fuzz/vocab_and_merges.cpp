// GPT-2's vocab.json and merges.txt, with a NUL between them in the input; without one it is merges for a small
// vocabulary.
#include "kiln/text/byte_level.h"

#include <nlohmann/json.hpp>

#include "round_trip.h"
#include "target.h"

namespace kiln::fuzz {
namespace {

/// The 256 bytes, what English merges first, and the token that is special.
std::string small_vocabulary() {
  Json vocab = Json::object();
  for (const unsigned char byte : kByteOrder) {
    vocab[byte_level_encode({reinterpret_cast<const char*>(&byte), 1})] = vocab.size();
  }
  for (const char* token : {"th", "he", "in", "er", "the", "\u0120t", "\u0120th", "\u0120the", "aa", "aaa", "aaaa"}) {
    vocab[token] = vocab.size();
  }
  vocab["<|endoftext|>"] = vocab.size();
  return vocab.dump();
}

}  // namespace

void fuzz_vocab_and_merges(std::string_view input) {
  static const Folder folder;
  static const std::string vocabulary = small_vocabulary();
  const std::size_t nul = input.find('\0');
  const std::string_view vocab = nul == std::string_view::npos ? vocabulary : input.substr(0, nul);
  const std::string_view merges = nul == std::string_view::npos ? input : input.substr(nul + 1);
  const auto tokenizer = read_vocab_and_merges(folder.put("vocab.json", vocab), folder.put("merges.txt", merges));
  require(static_cast<std::size_t>(tokenizer->vocab_size()) <= vocab.size(), "{} tokens in {} bytes",
          tokenizer->vocab_size(), vocab.size());
  require_sound(*tokenizer, merges);
}

}  // namespace kiln::fuzz
