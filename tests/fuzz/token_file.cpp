// nanoGPT's and llm.c's token files: every id lies inside the file, and kiln's own file of the same ids is intact.
#include "kiln/data/token_file.h"

#include "target.h"
#include <limits>

namespace kiln::fuzz {

void fuzz_token_file(std::string_view input) {
  constexpr Index kVocabulary = std::numeric_limits<std::int32_t>::max();
  const TokenFile file(std::string(input), "tokens.bin");
  require(file.size() >= 0 && static_cast<std::size_t>(file.size()) <= input.size() / 2, "{} tokens in {} bytes",
          file.size(), input.size());
  require(file.text_bytes().value_or(0) >= 0, "{} bytes of text", file.text_bytes().value_or(0));
  file.is_intact();
  file.check_vocabulary(kVocabulary);
  std::vector<std::int32_t> tokens(static_cast<std::size_t>(file.size()));
  file.read(0, file.size(), tokens.data());
  TokenFileBuilder builder(kVocabulary);
  builder.append(tokens, file.text_bytes().value_or(0));
  const TokenFile again = must([&] { return TokenFile(builder.finish(), "again"); });
  require(again.is_intact() && again.size() == file.size(), "written, and not intact");
  const TokenFile tail = file.slice(file.size() / 2, file.size() - file.size() / 2);
  for (Index i = 0; i < tail.size(); ++i) {
    const std::int32_t token = again[file.size() / 2 + i];
    require(tail[i] == token && token >= 0, "token {} is {}, and then {}", i, tail[i], token);
  }
}

}  // namespace kiln::fuzz
