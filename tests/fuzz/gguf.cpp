// A tokenizer.json that is exported: the GGUF file that comes of it is whole, and has every token in its place once.
// (kiln reads no GGUF.)
#include "kiln/core/file.h"
#include "kiln/interop/gguf_tokenizer.h"
#include "kiln/text/tokenizer_json.h"

#include "support/gguf_reader.h"
#include "target.h"
#include <set>

namespace kiln::fuzz {
namespace {

constexpr Index kPadding = 3;  // rows of the embedding beyond the tokenizer's ids

using Words = std::vector<std::string>;

/// Each merge is two tokens whose bytes in a row are a token.
void require_merges(const Words& merges, const std::set<std::string>& tokens) {
  for (const std::string& merge : merges) {
    const std::size_t space = merge.find(' ');
    require(space != std::string::npos && merge.find(' ', space + 1) == std::string::npos, "no merge: {}", merge);
    const std::string left = merge.substr(0, space), right = merge.substr(space + 1);
    require(tokens.contains(left) && tokens.contains(right) && tokens.contains(left + right), "no tokens: {}", merge);
  }
}

}  // namespace

void fuzz_gguf(std::string_view input) {
  static const Folder folder;
  const auto tokenizer = read_tokenizer_json(input, "tokenizer.json");
  const Index vocab_size = tokenizer->vocab_size() + kPadding;
  const SpecialIds ids = special_ids(*tokenizer, TokenizerConfig());
  gguf_warnings(*tokenizer, ids);
  const Words unsupported = gguf_unsupported(*tokenizer, vocab_size);
  check_input(unsupported.empty(), "{}", unsupported.empty() ? "" : unsupported.front());
  const std::vector<GgufKey> keys = gguf_tokenizer_keys(*tokenizer, vocab_size, ids);
  constexpr float kElements[] = {1, 2, 3};
  const TensorSource tensor{"t.weight", {1, 3}, mat(kElements, 1, 3)};
  const std::filesystem::path path = folder.path() / "model.gguf";
  must([&] { return write_gguf(path, keys, {&tensor, 1}); });
  const testing::GgufContents contents = testing::GgufReader(read_file(path)).read();
  require(contents.keys.size() == keys.size() && contents.tensors.size() == 1, "other keys or tensors");
  if (tokenizer->type() == "none") return;
  const Words& tokens = contents.strings.at("tokenizer.ggml.tokens");
  const std::set<std::string> distinct(tokens.begin(), tokens.end());
  require(std::ssize(tokens) == vocab_size && distinct.size() == tokens.size(), "{} tokens, {} of them distinct",
          tokens.size(), distinct.size());
  for (const SpecialToken& special : tokenizer->special_tokens()) {
    require(tokens[static_cast<std::size_t>(special.id)] == special.content, "{} is another token", special.content);
  }
  const auto merges = contents.strings.find("tokenizer.ggml.merges");
  if (tokenizer->type() == "bpe" && merges != contents.strings.end()) require_merges(merges->second, distinct);
}

}  // namespace kiln::fuzz
