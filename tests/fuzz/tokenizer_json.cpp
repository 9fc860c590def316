// A tokenizer.json: what it describes encodes and decodes without loss, and is written as the same again.
#include "round_trip.h"
#include "target.h"

namespace kiln::fuzz {

void fuzz_tokenizer_json(std::string_view input) {
  const auto tokenizer = read_tokenizer_json(input, "tokenizer.json");
  require(static_cast<std::size_t>(tokenizer->vocab_size()) <= input.size(), "{} tokens in {} bytes",
          tokenizer->vocab_size(), input.size());
  require_sound(*tokenizer, input);
}

}  // namespace kiln::fuzz
