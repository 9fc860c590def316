// Hashes bytes with XXH3, for manifests and the names of cached files.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

struct XXH3_state_s;

namespace kiln {

/// Returns the 64-bit XXH3 of the bytes. Pass one call's result as the next call's `seed` to chain them.
std::uint64_t hash_bytes(std::string_view bytes, std::uint64_t seed = 0);

/// Computes the 64-bit XXH3 of bytes that arrive in pieces.
class StreamHash {
 public:
  StreamHash();
  void update(std::string_view bytes);
  std::uint64_t digest() const;

 private:
  struct Free {
    void operator()(XXH3_state_s* state) const;
  };
  std::unique_ptr<XXH3_state_s, Free> state_;
};

/// Formats a hash as 16 hexadecimal digits, as in manifests and file names.
std::string hex(std::uint64_t value);

/// A file's entry in a manifest.
struct FileDigest {
  std::uint64_t size = 0;
  std::uint64_t hash = 0;  // XXH3, 64 bits
  friend bool operator==(const FileDigest&, const FileDigest&) = default;
};

}  // namespace kiln
