// Validates the tokenizer's settings.
#include "kiln/text/tokenizer_config.h"

#include <algorithm>

namespace kiln {

void TokenizerConfig::validate(Problems& problems, const std::string& pointer) const {
  const std::string specials = child_pointer(pointer, "special_tokens");
  for (std::size_t i = 0; i < special_tokens.size(); ++i) {
    const auto here = special_tokens.begin() + static_cast<std::ptrdiff_t>(i);
    const std::string at = child_pointer(specials, std::to_string(i));
    if (here->empty()) problems.add(at, "a special token is empty; give it a name, or remove it");
    if (std::find(special_tokens.begin(), here, *here) != here) {
      problems.add(at, "\"{}\" is listed twice; keep one of them", *here);
    }
  }
  const std::string size = child_pointer(pointer, "vocab_size");
  const std::int64_t least = kByteCount + static_cast<std::int64_t>(special_tokens.size());
  const bool trains_bpe = type == TokenizerKind::bpe && !path;
  if (trains_bpe && vocab_size < least && !problems.has(pointer)) {
    problems.add(size, "{} is out of range; at least {} is expected: the {} bytes and the special tokens ({})",
                 vocab_size, least, kByteCount, special_tokens.size());
  }
}

}  // namespace kiln
