// Token ids on disk: nanoGPT's and llm.c's .bin files, mapped, and kiln's own, which are llm.c's.
//
// nanoGPT: uint16, nothing else. llm.c: a header of 256 int32, then the ids. kiln fills what llm.c leaves zero:
//   [0] magic 20240520, [1] version 1: ids are uint16       [2..3] count of ids (llm.c reads [2])
//       magic 20240801, [1] version 7: ids are uint32       [4..5] bytes of text that they spell, 0: unknown
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

/// A read-only sequence of token ids, mapped from a file or held in memory; copies share it.
class TokenFile {
 public:
  TokenFile() = default;  // no tokens

  /// Maps a file. Throws Error (bad_input) where it cannot be read, is raw with an odd number of bytes, is known to be
  /// something else (an archive, a model ...), has an unknown version, or is not as long as its header says.
  explicit TokenFile(const std::filesystem::path& path);

  /// The same over bytes in memory (TokenFileBuilder's), called `name` in messages.
  TokenFile(std::string bytes, std::string name);

  Index size() const { return size_; }
  const std::string& name() const { return name_; }

  /// Token i, 0 <= i < size().
  std::int32_t operator[](Index i) const;

  /// Copies tokens [first, first + count) to out.
  void read(Index first, Index count, std::int32_t* out) const;

  /// Tokens [first, first + count), without copying them.
  TokenFile slice(Index first, Index count) const;

  /// Throws Error (bad_input) with the byte offset of the first token that is not below `vocab_size`.
  void check_vocabulary(Index vocab_size) const;

  /// XXH3 of the ids as they lie.
  std::uint64_t digest() const;

  /// The number of bytes of text that the tokens spell, where the header says.
  std::optional<Index> text_bytes() const;

  /// Whether the header holds the checksum of what the file holds; false too where it holds none.
  bool is_intact() const;

 private:
  void open(std::string_view bytes);
  std::string_view ids() const;  // their bytes

  std::shared_ptr<const void> owner_;
  std::string name_;
  std::string_view header_;     // empty in a raw file and a slice
  const char* data_ = nullptr;  // size_ ids of width_ bytes
  std::size_t offset_ = 0;      // of data_ in the file
  std::size_t width_ = 2;
  Index size_ = 0;
};

/// Tokens as the bytes that a token file holds: uint16 where the vocabulary allows (at most 65,536 ids), else uint32.
class TokenPacker {
 public:
  explicit TokenPacker(Index vocab_size);

  /// The bytes, until the next call, of the next ids (each in [0, vocab_size)), which spell `text_bytes` bytes.
  std::string_view pack(std::span<const std::int32_t> tokens, Index text_bytes);

  /// The header that belongs before all that was packed.
  std::string header() const;

 private:
  Index vocab_size_;
  Index count_ = 0;
  Index text_bytes_ = 0;
  StreamHash hash_;
  std::string bytes_;
};

/// Gathers tokens into a token file in memory.
class TokenFileBuilder {
 public:
  explicit TokenFileBuilder(Index vocab_size);

  void append(std::span<const std::int32_t> tokens, Index text_bytes = 0);  // as TokenPacker::pack

  /// The finished file; nothing more is then appended.
  std::string finish();

 private:
  TokenPacker packer_;
  std::string bytes_;
};

/// Writes a token file piece by piece, in memory that does not depend on its size. Until finish() there is no file of
/// that name, or the old one.
class TokenFileWriter {
 public:
  TokenFileWriter(const std::filesystem::path& path, Index vocab_size);  // throws Error (io)
  ~TokenFileWriter();                                                    // removes what is not finished
  TokenFileWriter(const TokenFileWriter&) = delete;
  TokenFileWriter& operator=(const TokenFileWriter&) = delete;

  void append(std::span<const std::int32_t> tokens, Index text_bytes = 0);  // as TokenPacker::pack; throws Error (io)

  /// Puts the file, flushed to the disk, in its place. Throws Error (io).
  void finish();

 private:
  std::filesystem::path path_;
  std::filesystem::path temporary_;
  TokenPacker packer_;
  FileWriter file_;
};

/// Writes a token file atomically. Throws Error (io).
void write_token_file(const std::filesystem::path& path, std::span<const std::int32_t> tokens, Index vocab_size);

/// The bytes of a raw file as nanoGPT reads it, uint16 and nothing else. Throws Error (usage) where a vocabulary of
/// this size has ids that do not fit.
std::string raw_token_bytes(std::span<const std::int32_t> tokens, Index vocab_size);

/// Throws Error (usage) with both numbers where fewer than `needed` tokens are there. `what` names them ("data.train"),
/// `why` says what they are needed for ("a context of 64 (model.n_ctx)").
void require_tokens(const TokenFile& tokens, Index needed, std::string_view what, std::string_view why);

}  // namespace kiln
