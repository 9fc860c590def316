// Reads the length of token files, and encodes a sample of text.
#include "train/text_length.h"

#include "kiln/core/error.h"
#include "kiln/data/dataset.h"
#include "kiln/data/source_files.h"
#include "kiln/text/document.h"
#include "kiln/text/tokenizer.h"
#include "kiln/train/data_preview.h"

namespace kiln {
namespace {

constexpr std::size_t kCountedBytes = 1'000'000;

Index tokens_in(const std::vector<std::string>& patterns, std::string_view key, const Config& config) {
  Index tokens = 0;
  for (const std::filesystem::path& file :
       find_source_files(patterns, key, config.directory, config.data.include).files) {
    tokens += TokenFile(file).size();
  }
  return tokens;
}

TextLength length_of_token_files(const Config& config) {
  const DataConfig& data = config.data;
  TextLength length{.train = tokens_in(data.train, "data.train", config), .exact = true};
  if (data.validation.empty()) {
    const Index all = length.train;
    length.train = static_cast<Index>(static_cast<double>(all) * (1 - data.validation_fraction));
    length.validation = all - length.train;
  } else {
    length.validation = tokens_in(data.validation, "data.validation", config);
  }
  return length;
}

TextLength length_of_text(const Config& config) {
  const Corpus corpus(config.data, config.directory);
  const Documents sample = sample_of(corpus.train(), kCountedBytes);
  if (sample.empty()) return {};
  const std::unique_ptr<Tokenizer> tokenizer = make_tokenizer(config.located_tokenizer(), sample);
  return estimate_length(corpus, *tokenizer, special_ids(*tokenizer, config.tokenizer).marks());
}

/// Returns the length of conversations, judged answers or prompts.
TextLength length_of_examples(const Config& config) {
  const DataPreview preview = preview_data(config, 0, {});
  return {.train = preview.epoch_tokens,
          .validation = preview.held_out_tokens,
          .held_out_prompts = preview.held_out_prompts};
}

}  // namespace

std::uint64_t bytes_of(const Documents& documents) {
  std::uint64_t bytes = 0;
  for (const std::string_view document : documents) bytes += document.size();
  return bytes;
}

Documents sample_of(const Documents& documents, std::size_t bytes) {
  Documents sample;
  std::size_t taken = 0;
  for (const std::string_view document : documents) {
    if (taken >= bytes) break;
    sample.push_back(document.substr(0, bytes - taken));
    taken += sample.back().size();
  }
  return sample;
}

TextLength estimate_length(const Corpus& corpus, const Tokenizer& tokenizer, DocumentMarks marks) {
  const Documents sample = sample_of(corpus.train(), kCountedBytes);
  if (sample.empty()) return {};
  if (!corpus.has_several_documents()) marks.end.reset();
  std::size_t tokens = 0;
  for (const std::string_view document : sample) tokens += encode_document(tokenizer, document, marks).size();
  const double tokens_per_byte = static_cast<double>(tokens) / static_cast<double>(bytes_of(sample));
  const auto length = [&](const Documents& documents) {
    return static_cast<Index>(static_cast<double>(bytes_of(documents)) * tokens_per_byte);
  };
  return {.train = length(corpus.train()), .validation = length(corpus.validation())};
}

std::optional<TextLength> text_length(const Config& config) {
  if (!config.data.names_data()) return std::nullopt;
  try {
    if (has_template(config.objective.type)) return length_of_examples(config);
    const bool tokens = names_token_files(config.data, config.directory);
    const TextLength length = tokens ? length_of_token_files(config) : length_of_text(config);
    if (length.train > 0) return length;
  } catch (const Error&) {  // a plan does not need the data, which may not exist yet
  }
  return std::nullopt;
}

}  // namespace kiln
