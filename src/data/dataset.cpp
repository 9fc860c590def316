// Encodes documents in groups, in parallel, and writes the tokens in order as they come. Finds earlier results by a
// hash of all their inputs.
#include "kiln/data/dataset.h"

#include "kiln/core/error.h"
#include "kiln/core/file.h"
#include "kiln/core/file_lock.h"
#include "kiln/core/json.h"
#include "kiln/core/report.h"
#include "kiln/core/threads.h"
#include "kiln/data/source_files.h"
#include "kiln/text/document.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <functional>
#include <optional>
#include <span>
#include <system_error>

namespace kiln {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kCacheVersion = 2;                 // increment it when the same input gives other tokens
constexpr std::size_t kGroupBytes = std::size_t{8} << 20;  // text to encode before its tokens are packed
constexpr std::size_t kLongDocument = std::size_t{1} << 20;
constexpr Index kCopiedTokens = Index{1} << 20;

/// Returns the cached file at `path` if it exists and is intact.
std::optional<TokenFile> find_cached(const fs::path& path) {
  std::error_code ignored;
  if (!fs::exists(path, ignored)) return std::nullopt;
  try {
    TokenFile file(path);
    if (file.is_intact()) return file;
  } catch (const Error&) {
    // No longer a token file: encode again, as for a wrong checksum.
  }
  return std::nullopt;
}

using AppendTokens = std::function<void(std::span<const TokenId> tokens, Index text_bytes)>;

fs::path cache_path(const fs::path& directory, std::string_view split, std::uint64_t key) {
  return directory / fmt::format("{}-{}.bin", split, hex(key));
}

/// Returns the cached token file of this key, or lets `fill` write it. Without a directory, builds it in memory; errors
/// then call it `name`.
TokenFile cached(const fs::path& directory, std::string_view split, std::uint64_t key, Index vocab_size,
                 const std::string& name, const std::function<void(const AppendTokens&)>& fill) {
  if (directory.empty()) {
    TokenFileBuilder builder(vocab_size);
    fill([&](std::span<const TokenId> tokens, Index text_bytes) { builder.append(tokens, text_bytes); });
    return TokenFile(builder.finish(), name);
  }
  const fs::path path = cache_path(directory, split, key);
  if (std::optional<TokenFile> file = find_cached(path)) return *std::move(file);
  make_directories(directory);
  const FileLock lock(directory / "lock");  // two processes that write the same file would corrupt it
  TokenFileWriter writer(path, vocab_size);
  fill([&](std::span<const TokenId> tokens, Index text_bytes) { writer.append(tokens, text_bytes); });
  writer.finish();
  return TokenFile(path);
}

/// Removes and returns the first documents, at least one, that are encoded together. A long document gets its own
/// group, so that Tokenizer::encode splits it among the threads: in a larger group it would keep one thread busy while
/// the others wait.
std::span<const std::string_view> take_group(std::span<const std::string_view>& documents) {
  std::size_t count = 0, bytes = 0;
  for (; count < documents.size() && documents[count].size() < kLongDocument; ++count) {
    bytes += documents[count].size();
    if (bytes > kGroupBytes) break;
  }
  const auto group = documents.first(std::max<std::size_t>(count, 1));
  documents = documents.subspan(group.size());
  return group;
}

/// Joins token files into one. Uses a single file as it is.
TokenFile join(const std::vector<fs::path>& files, std::string_view split, Index vocab_size, const fs::path& cache) {
  std::vector<TokenFile> parts;
  for (const fs::path& file : files) parts.emplace_back(file).check_vocabulary(vocab_size);
  if (parts.empty()) return {};
  if (parts.size() == 1) return parts.front();

  std::uint64_t key = hash_bytes(fmt::format("join {} {}", kCacheVersion, vocab_size));
  for (const fs::path& file : files) key = hash_bytes(hex(hash_file(file)), key);
  return cached(cache, split, key, vocab_size, name_of_files(files), [&](const AppendTokens& append) {
    const bool spells_known =
        std::ranges::all_of(parts, [](const TokenFile& part) { return part.text_bytes().has_value(); });
    std::vector<TokenId> piece;
    for (const TokenFile& part : parts) {
      for (Index first = 0; first < part.size(); first += kCopiedTokens) {
        piece.resize(static_cast<std::size_t>(std::min(kCopiedTokens, part.size() - first)));
        part.read(first, std::ssize(piece), piece.data());
        append(piece, 0);
      }
      if (spells_known) append({}, *part.text_bytes());
    }
  });
}

/// The train or validation documents. The tail's cut may have split one document between the two.
struct Split {
  std::string_view name;
  const Documents& documents;
  const SourceFiles& found;     // the files of the documents
  DocumentMarks marks;          // for whole documents
  bool begins_within = false;   // the first document starts before the split
  std::string_view after = {};  // the continuation of the last document after it

  bool is_cut_at_end(std::size_t i) const { return i + 1 == documents.size() && !after.empty(); }
  DocumentMarks marks_of(std::size_t i) const {
    return {.start = begins_within && i == 0 ? std::nullopt : marks.start,
            .end = is_cut_at_end(i) ? std::nullopt : marks.end};
  }
};

std::vector<Split> splits_of(const Corpus& corpus, DocumentMarks marks) {
  if (!corpus.has_several_documents()) marks.end.reset();
  const bool is_cut = corpus.is_cut_within_document();
  const SourceFiles& held_out = corpus.validation_files();
  return {{.name = "train",
           .documents = corpus.train(),
           .found = corpus.train_files(),
           .marks = marks,
           .after = is_cut ? corpus.validation().front() : std::string_view()},
          {.name = "validation",
           .documents = corpus.validation(),
           .found = held_out.files.empty() ? corpus.train_files() : held_out,
           .marks = marks,
           .begins_within = is_cut}};
}

/// Describes how the tokens of a split differ from an older version's; empty if its cached tokens are still valid.
std::string differences_from_older(const Split& split, const Tokenizer& tokenizer, bool has_several_documents) {
  std::string text;
  const DocumentMarks& marks = split.marks;
  const DocumentMarks older{tokenizer.special(kStart),
                            has_several_documents ? tokenizer.special(kEndOfText) : std::nullopt};
  if (marks != older) text += fmt::format(" marks {} {}", marks.start.value_or(-1), marks.end.value_or(-1));
  const bool ends_sentences = tokenizer.special(kEndOfSentence).has_value();
  if ((split.begins_within && marks.start) || (!split.after.empty() && (marks.end || ends_sentences))) text += " cut";
  const auto has_crlf = [](std::string_view document) { return document.find("\r\n") != std::string_view::npos; };
  if (tokenizer.special(kParagraph) && std::ranges::any_of(split.documents, has_crlf)) text += " crlf";
  return text;
}

/// Returns the cache key of a split's tokens; with `as_older`, the key of an older version's.
std::uint64_t key_of(const Split& split, const Corpus& corpus, const Tokenizer& tokenizer, bool as_older = false) {
  const bool several = corpus.has_several_documents();
  const std::uint64_t maker = hash_bytes(format_json(tokenizer.to_json()));
  std::uint64_t key = hash_bytes(fmt::format("encode {} {} {}{}", kCacheVersion, maker, several ? 1 : 0,
                                             as_older ? "" : differences_from_older(split, tokenizer, several)));
  for (const std::string_view document : split.documents) key = hash_bytes(document, key);
  return key;
}

void encode_documents(const Split& split, const Tokenizer& tokenizer, const AppendTokens& append) {
  std::span<const std::string_view> documents = split.documents;
  std::size_t bytes = 0;
  for (const std::string_view document : documents) bytes += document.size();
  const Work work("tokenizing", static_cast<double>(bytes), "bytes");
  std::vector<std::vector<TokenId>> tokens;
  while (!documents.empty()) {
    const std::size_t first = split.documents.size() - documents.size();
    const std::span<const std::string_view> group = take_group(documents);
    tokens.resize(group.size());
    parallel_each(std::ssize(group), [&](std::int64_t index) {
      const auto i = static_cast<std::size_t>(index);
      const std::string_view after = split.is_cut_at_end(first + i) ? split.after : std::string_view();
      tokens[i] = encode_document(tokenizer, group[i], split.marks_of(first + i), after);
    });
    for (std::size_t i = 0; i < group.size(); ++i) append(tokens[i], std::ssize(group[i]));
  }
}

std::uint64_t digest_of(std::uint64_t train, std::uint64_t validation) { return hash_bytes(hex(train), validation); }

/// Splits into the first tokens, to train on, and the others, held out.
Dataset cut(const TokenFile& all, double validation_fraction) {
  const Index kept = static_cast<Index>(static_cast<double>(all.size()) * (1.0 - validation_fraction));
  if (kept == all.size()) return {all, {}};
  return {.train = all.slice(0, kept), .validation = all.slice(kept, all.size() - kept)};
}

/// Returns the intact token files of a split in a cache.
std::vector<TokenFile> cached_files(const fs::path& directory, std::string_view split) {
  std::vector<TokenFile> files;
  for (const fs::path& path : list_folder(directory)) {
    const std::string name = path.filename().string();
    if (!name.starts_with(fmt::format("{}-", split)) || path.extension() != ".bin") continue;
    if (std::optional<TokenFile> file = find_cached(path)) files.push_back(*std::move(file));
  }
  return files;
}

}  // namespace

std::uint64_t Dataset::digest() const { return digest_of(train.digest(), validation.digest()); }

Dataset encode_corpus(const Corpus& corpus, const Tokenizer& tokenizer, DocumentMarks marks,
                      const fs::path& cache_directory) {
  const auto encode = [&](const Split& split) {
    if (split.documents.empty()) return TokenFile();
    const std::uint64_t key = cache_directory.empty() ? 0 : key_of(split, corpus, tokenizer);
    return cached(
        cache_directory, split.name, key, tokenizer.vocab_size(), name_of_files(split.found.files),
        [&](const AppendTokens& append) { corpus.naming_places([&] { encode_documents(split, tokenizer, append); }); });
  };
  const std::vector<Split> splits = splits_of(corpus, marks);
  return {.train = encode(splits[0]), .validation = encode(splits[1])};
}

std::optional<Dataset> find_encoded(const Corpus& corpus, const Tokenizer& tokenizer, const DocumentMarks& marks,
                                    const fs::path& cache_directory) {
  const auto find = [&](const Split& split, bool as_older) {
    if (split.documents.empty()) return std::optional(TokenFile());
    return find_cached(cache_path(cache_directory, split.name, key_of(split, corpus, tokenizer, as_older)));
  };
  const std::vector<Split> splits = splits_of(corpus, marks);
  for (const bool as_older : {false, true}) {
    const std::optional<TokenFile> train = find(splits[0], as_older);
    const std::optional<TokenFile> validation = train ? find(splits[1], as_older) : std::nullopt;
    if (validation) return Dataset{*train, *validation};
  }
  return std::nullopt;
}

std::optional<Dataset> find_dataset(const DataConfig& config, std::uint64_t digest, const fs::path& cache_directory) {
  std::vector<TokenFile> held_out = cached_files(cache_directory, "validation");
  held_out.emplace_back();  // the dataset may have no held-out tokens
  std::vector<std::uint64_t> digests;
  for (const TokenFile& file : held_out) digests.push_back(file.digest());
  for (const TokenFile& train : cached_files(cache_directory, "train")) {
    const std::uint64_t train_digest = train.digest();
    for (std::size_t i = 0; i < held_out.size(); ++i) {
      if (digest_of(train_digest, digests[i]) == digest) return Dataset{train, held_out[i]};
    }
    if (Dataset joined = cut(train, config.validation_fraction); joined.digest() == digest) return joined;
  }
  return std::nullopt;
}

bool names_token_files(const DataConfig& config, const fs::path& base_directory, std::string_view key) {
  const std::vector<fs::path> train = find_source_files(config.train, key, base_directory, config.include).files;
  const bool tokens = are_token_files(train, key);
  const std::vector<fs::path> held_out =
      find_source_files(config.validation, "data.validation", base_directory, config.include).files;
  check(held_out.empty() || are_token_files(held_out, "data.validation") == tokens,
        "data.validation: {} is {}, but data.train is {}; give one kind", held_out.empty() ? "" : held_out[0].string(),
        tokens ? "text" : "a token file", tokens ? "token files" : "text");
  check_held_out(train, held_out);
  return tokens;
}

Dataset open_token_dataset(const DataConfig& config, Index vocab_size, const fs::path& base_directory,
                           const fs::path& cache_directory) {
  const auto open = [&](const std::vector<std::string>& patterns, std::string_view key, std::string_view split) {
    const std::vector<fs::path> files = find_source_files(patterns, key, base_directory, config.include).files;
    check(files.empty() || are_token_files(files, key), "{}: {} is text; a token file (.bin) is expected here", key,
          files.empty() ? "" : files.front().string());
    return join(files, split, vocab_size, cache_directory);
  };
  const TokenFile all = open(config.train, "data.train", "train");
  if (!config.validation.empty()) return {all, open(config.validation, "data.validation", "validation")};
  return cut(all, config.validation_fraction);
}

}  // namespace kiln
