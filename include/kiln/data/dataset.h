// Provides a run's tokens: encodes text once and caches the result, or reads token files as they are.
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
  TokenFile validation;  // empty if nothing is held out

  /// Returns a hash of both, which depends on where they are split.
  std::uint64_t digest() const;
};

/// Encodes the corpus. Each document gets its marks (encode_document), its end mark only if the corpus has several
/// documents. If the tail's cut splits a document, it gets no end mark before the cut and no start mark after it.
/// Caches each split's tokens as cache_directory/SPLIT-KEY.bin. KEY hashes the tokenizer.json, the marks, the split's
/// documents and this code's version, so a file with the right key is reused, unless it is damaged. Without a cache
/// directory, keeps the tokens in memory. The files record the text's bytes (TokenFile::text_bytes).
/// Throws Error (usage: text that the tokenizer cannot encode, with file and place; io: an unwritable cache).
Dataset encode_corpus(const Corpus& corpus, const Tokenizer& tokenizer, DocumentMarks marks,
                      const std::filesystem::path& cache_directory = {});

/// Returns what encode_corpus cached for the same corpus, tokenizer and marks; nullopt if a file is missing or damaged.
std::optional<Dataset> find_encoded(const Corpus& corpus, const Tokenizer& tokenizer, const DocumentMarks& marks,
                                    const std::filesystem::path& cache_directory);

/// Returns the cached dataset with this digest, even if its text has changed since; nullopt if there is none. Cuts
/// joined token files by `config`, as open_token_dataset does.
std::optional<Dataset> find_dataset(const DataConfig& config, std::uint64_t digest,
                                    const std::filesystem::path& cache_directory);

/// Returns true if config.train names token files (.bin) rather than text. Messages call config.train `key`. Throws
/// Error (usage) as find_source_files does, and if config.validation names the other kind or a file that is also
/// trained on.
bool names_token_files(const DataConfig& config, const std::filesystem::path& base_directory = {},
                       std::string_view key = "data.train");

/// Opens token files: maps a single file in place, and joins several in the cache. If config.validation is empty, the
/// first int(n * (1 - validation_fraction)) of n tokens are for training, the others held out.
/// Throws Error (usage; bad_input: a file that is not a token file, or a token not below vocab_size).
Dataset open_token_dataset(const DataConfig& config, Index vocab_size, const std::filesystem::path& base_directory = {},
                           const std::filesystem::path& cache_directory = {});

}  // namespace kiln
