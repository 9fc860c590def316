// Reads and writes token ids: maps nanoGPT's and llm.c's .bin files; writes kiln's own, a variant of llm.c's.
//
// nanoGPT: uint16 ids only. llm.c: a header of 256 int32, then the ids. kiln uses fields that llm.c leaves zero:
//   [0] magic 20240520, [1] version 1: ids are uint16       [2..3] number of ids (llm.c reads [2])
//       magic 20240801, [1] version 7: ids are uint32       [4..5] bytes of the text that they encode, 0: unknown
//                                                           [6..7] XXH3 of ids and header, 0: unknown
// All little-endian, 64-bit values as (low, high).
#pragma once

#include "kiln/core/file_streams.h"
#include "kiln/core/hash.h"
#include "kiln/tensor/view.h"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace kiln {

/// A read-only sequence of token ids, mapped from a file or held in memory; copies share the storage.
class TokenFile {
 public:
  TokenFile() = default;  // no tokens

  /// Maps a file. Throws Error (bad_input) if it cannot be read, is raw with an odd number of bytes, is recognised as
  /// something else (an archive, a model ...), or has an unknown version or a header that contradicts its size.
  explicit TokenFile(const std::filesystem::path& path);

  /// Reads bytes in memory (from TokenFileBuilder) likewise; messages call them `name`.
  TokenFile(std::string bytes, std::string name);

  Index size() const { return size_; }
  const std::string& name() const { return name_; }

  /// Returns token i. Requires 0 <= i < size().
  std::int32_t operator[](Index i) const;

  /// Copies tokens [first, first + count) to out.
  void read(Index first, Index count, std::int32_t* out) const;

  /// Returns tokens [first, first + count), without copying them.
  TokenFile slice(Index first, Index count) const;

  /// Throws Error (bad_input), with its byte offset, for the first token that is not below `vocab_size`.
  void check_vocabulary(Index vocab_size) const;

  /// Returns the XXH3 of the ids as stored.
  std::uint64_t digest() const;

  /// Returns the number of bytes of text that the tokens encode, if the header records it.
  std::optional<Index> text_bytes() const;

  /// Returns true if the header's checksum matches the contents; false also if there is no checksum.
  bool is_intact() const;

 private:
  void open(std::string_view bytes);
  std::string_view ids() const;  // their bytes

  std::shared_ptr<const void> owner_;
  std::string name_;
  std::string_view header_;     // empty for a raw file or a slice
  const char* data_ = nullptr;  // size_ ids of width_ bytes
  std::size_t offset_ = 0;      // of data_ in the file
  std::size_t width_ = 2;
  Index size_ = 0;
};

/// Packs tokens into a token file's bytes: uint16 if the vocabulary has at most 65,536 ids, else uint32.
class TokenPacker {
 public:
  explicit TokenPacker(Index vocab_size);

  /// Returns the bytes, valid until the next call, of the next ids (each in [0, vocab_size)), which encode `text_bytes`
  /// bytes.
  std::string_view pack(std::span<const std::int32_t> tokens, Index text_bytes);

  /// Returns the header for everything packed so far.
  std::string header() const;

 private:
  Index vocab_size_;
  Index count_ = 0;
  Index text_bytes_ = 0;
  StreamHash hash_;
  std::string bytes_;
};

/// Builds a token file in memory.
class TokenFileBuilder {
 public:
  explicit TokenFileBuilder(Index vocab_size);

  void append(std::span<const std::int32_t> tokens, Index text_bytes = 0);  // see TokenPacker::pack

  /// Returns the finished file. Call it once, after the last append.
  std::string finish();

 private:
  TokenPacker packer_;
  std::string bytes_;
};

/// Writes a token file piece by piece, in memory independent of its size. Until finish(), `path` stays missing or keeps
/// its old contents.
class TokenFileWriter {
 public:
  TokenFileWriter(const std::filesystem::path& path, Index vocab_size);  // throws Error (io)
  ~TokenFileWriter();                                                    // removes an unfinished file
  TokenFileWriter(const TokenFileWriter&) = delete;
  TokenFileWriter& operator=(const TokenFileWriter&) = delete;

  void append(std::span<const std::int32_t> tokens, Index text_bytes = 0);  // see TokenPacker::pack; throws Error (io)

  /// Flushes the file to the disk and moves it to its path. Throws Error (io).
  void finish();

 private:
  std::filesystem::path path_;
  std::filesystem::path temporary_;
  TokenPacker packer_;
  FileWriter file_;
};

/// Writes a token file atomically. Throws Error (io).
void write_token_file(const std::filesystem::path& path, std::span<const std::int32_t> tokens, Index vocab_size);

/// Returns the bytes of a raw file for nanoGPT: uint16 ids only. Throws Error (usage) if a vocabulary of this size has
/// ids that do not fit.
std::string raw_token_bytes(std::span<const std::int32_t> tokens, Index vocab_size);

/// Throws Error (usage) with both numbers if fewer than `needed` tokens are held. `what` names them ("data.train");
/// `why` says what needs them ("a context of 64 (model.n_ctx)").
void require_tokens(Index held, Index needed, std::string_view what, std::string_view why);

}  // namespace kiln
