// Reads GPT-2's vocab.json and merges.txt.
#include "kiln/core/error.h"
#include "kiln/core/file.h"
#include "kiln/core/utf8.h"
#include "kiln/text/bpe_tokenizer.h"
#include "kiln/text/tokenizer_json.h"

#include <nlohmann/json.hpp>

#include "text/added_tokens.h"
#include "text/vocabulary.h"

namespace kiln {
namespace {

std::vector<Merge> read_merges(std::string_view text, const std::string& source, const Vocabulary& vocabulary) {
  const auto place = [&](std::size_t number) { return fmt::format("{}:{}", source, number); };
  MergeList merges(vocabulary, place);
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (number == 1 && line.starts_with("#version")) continue;
    const std::size_t space = line.find(' ');
    const bool two_parts = space != std::string_view::npos && space > 0 && space + 1 < line.size() &&
                           line.find(' ', space + 1) == std::string_view::npos;
    if (!two_parts) {
      fail(ExitCode::bad_input, "{}: found \"{}\", expected two tokens with one space between them", place(number),
           utf8_replace_invalid(line.substr(0, 80)));
    }
    merges.add(line.substr(0, space), line.substr(space + 1), number);
  }
  return merges.take();
}

}  // namespace

std::unique_ptr<Tokenizer> read_vocab_and_merges(const std::filesystem::path& vocab,
                                                 const std::filesystem::path& merges) {
  const Json json = parse_json(read_file(vocab), vocab.string());
  check_input(json.is_object(), "{}: is not a JSON object of token and id", vocab.string());
  const Vocabulary vocabulary(json, read_added_tokens(vocab.parent_path(), json), vocab.string());
  std::vector<std::string> tokens = vocabulary.byte_level_tokens();
  const std::string lines = read_file(merges);
  return std::make_unique<BpeTokenizer>(Bpe(std::move(tokens), read_merges(lines, merges.string(), vocabulary)),
                                        SplitPattern::gpt2, vocabulary.added());
}

}  // namespace kiln
