// The tokens of a run: encoded once from text, kept in a cache, or read from token files as they are.
#pragma once

#include "kiln/data/corpus.h"
#include "kiln/data/data_config.h"
#include "kiln/data/token_file.h"
#include "kiln/text/special_ids.h"
#include "kiln/text/tokenizer.h"

#include <cstdint>
#include <filesystem>
#include <optional>

namespace kiln {

struct Dataset {
  TokenFile train;
  TokenFile validation;  // no tokens where nothing is held out

  /// Tells the tokens of both from others, and what is held out from what is not.
  std::uint64_t digest() const;
};

/// The corpus as tokens. Each document stands between its marks (encode_document), its end only where the corpus has
/// several documents. Where the tail's cut splits a document, no end stands before the cut and no start after it.
/// The tokens of each split are kept as cache_directory/SPLIT-KEY.bin, KEY being a hash of the tokenizer.json, the
/// marks, the split's documents and the version of this code, so that a file whose key is right need not be made again;
/// one that is damaged is. Without a cache directory they are kept in memory. The files know their text's bytes
/// (TokenFile::text_bytes). Throws Error (usage: text that the tokenizer cannot encode, by file and place; io: a cache
/// that cannot be written).
Dataset encode_corpus(const Corpus& corpus, const Tokenizer& tokenizer, DocumentMarks marks,
                      const std::filesystem::path& cache_directory = {});

/// What encode_corpus has left in the cache of the same corpus, tokenizer and marks; nothing where a file is missing or
/// damaged.
std::optional<Dataset> find_encoded(const Corpus& corpus, const Tokenizer& tokenizer, const DocumentMarks& marks,
                                    const std::filesystem::path& cache_directory);

/// The dataset of this digest that lies in a cache, whatever has become of the text; nothing where none does. Token
/// files that were joined there are cut by `config`, as open_token_dataset cuts them.
std::optional<Dataset> find_dataset(const DataConfig& config, std::uint64_t digest,
                                    const std::filesystem::path& cache_directory);

/// Whether config.train names token files (.bin) rather than text. Throws Error (usage) as find_source_files does, and
/// where config.validation names the other kind or a file that is trained on; messages call config.train `key`.
bool names_token_files(const DataConfig& config, const std::filesystem::path& base_directory = {},
                       std::string_view key = "data.train");

/// Token files as data: one file is mapped where it lies, several are joined in the cache. Where config.validation is
/// empty, the first int(n * (1 - validation_fraction)) of n tokens are train's, the others held out.
/// Throws Error (usage; bad_input: a file that is no token file, or holds a token that is not below vocab_size).
Dataset open_token_dataset(const DataConfig& config, Index vocab_size, const std::filesystem::path& base_directory = {},
                           const std::filesystem::path& cache_directory = {});

}  // namespace kiln
