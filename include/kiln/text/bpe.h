// Encodes text by byte pair encoding (BPE): a vocabulary of byte strings and the ranked merges that build them.
#pragma once

#include "kiln/text/token.h"

#include <array>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace kiln {

/// Two neighbouring tokens that merge into one; a merge's rank is its index in the list.
struct Merge {
  TokenId left, right, result;
  bool operator==(const Merge&) const = default;
};

/// Encodes pieces: applies the merge of the lowest rank, leftmost first, until none applies.
/// Sennrich et al., arXiv:1508.07909; on bytes: Radford et al., "Language models are unsupervised multitask learners".
/// Const: any number of threads may encode at once, each with its own Cache.
class Bpe {
 public:
  /// tokens[id] holds the bytes of an id, empty if the id is not BPE's (special tokens). Each merge's result must be
  /// the concatenation of its parts, and each pair may occur once. `whole_pieces`: a piece that is itself a token
  /// becomes that token, whatever the merges (tokenizer.json's ignore_merges). Throws Error (bad_input) with the byte
  /// if one of the 256 has no token.
  Bpe(std::vector<std::string> tokens, std::vector<Merge> merges, bool whole_pieces = false);
  ~Bpe();
  Bpe(Bpe&&) noexcept;
  Bpe& operator=(Bpe&&) noexcept;

  const std::vector<std::string>& tokens() const { return tokens_; }
  const std::vector<Merge>& merges() const { return merges_; }
  bool whole_pieces() const { return whole_pieces_; }

  /// Caches the ids of pieces in a fixed table (4 MiB), in which a new piece displaces an old one.
  class Cache {
   public:
    Cache();
    ~Cache();
    Cache(const Cache&) = delete;
    Cache& operator=(const Cache&) = delete;

   private:
    friend class Bpe;
    struct Slot;
    struct Release {
      void operator()(void* memory) const;
    };
    std::unique_ptr<void, Release> memory_;
    Slot* slots_;
  };

  /// Appends the ids of a piece. Time n log n in its bytes. Memory beyond the ids is bounded if every merge joins
  /// results of earlier merges, as in trained vocabularies.
  void encode_piece(std::string_view piece, Cache& cache, std::vector<TokenId>& ids) const;

  /// Appends the ids of pieces of `text` (views into it), in order. Faster than one by one: prefetches the cache's
  /// slots of many pieces at once.
  void encode_pieces(std::string_view text, std::span<const std::string_view> pieces, Cache& cache,
                     std::vector<TokenId>& ids) const;

 private:
  struct Tables;

  void encode_batch(std::string_view text, std::span<const std::string_view> pieces, Cache& cache,
                    std::vector<TokenId>& ids) const;
  void encode_uncached(std::string_view piece, std::vector<TokenId>& ids) const;
  void encode_short(std::string_view piece, std::vector<TokenId>& ids) const;
  void encode_by_heap(std::string_view piece, std::vector<TokenId>& ids) const;
  void encode_by_windows(std::string_view piece, std::vector<TokenId>& ids) const;

  std::vector<std::string> tokens_;
  std::vector<Merge> merges_;
  bool whole_pieces_;
  std::unique_ptr<const Tables> tables_;
};

}  // namespace kiln
