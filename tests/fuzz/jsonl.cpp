// Text as .jsonl and as .txt with a separator: documents lie in what was read, and none is lost by holding a tail out.
#include "kiln/data/corpus.h"

#include "target.h"

namespace kiln::fuzz {
namespace {

std::string joined(const Documents& documents) {
  std::string text;
  for (const std::string_view document : documents) {
    require(!document.empty(), "an empty document");
    text += document;
  }
  return text;
}

/// The whole text; the same with a tail held out.
std::string read(const std::filesystem::path& path) {
  DataConfig config;
  config.train = {path.string()};
  config.document_separator = "---";
  config.validation_fraction = 0;
  const Corpus whole(config);
  std::string text = joined(whole.train());
  require(whole.validation().empty(), "held out, though nothing should be");
  config.validation_fraction = 0.3;
  const Corpus cut = must([&] { return Corpus(config); });
  require(joined(cut.train()) + joined(cut.validation()) == text, "the tail is not what is missing");
  return text;
}

}  // namespace

void fuzz_jsonl(std::string_view input) {
  static const Folder folder;
  const std::string text = read(folder.put("text.txt", input));
  require(text.size() <= input.size(), "{} bytes of text in {}", text.size(), input.size());
  const std::string decoded = read(folder.put("text.jsonl", input));
  require(decoded.size() <= input.size(), "{} bytes of text in {}", decoded.size(), input.size());
}

}  // namespace kiln::fuzz
