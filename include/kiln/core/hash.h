// XXH3 of bytes, as manifests and the names of cached files hold it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

struct XXH3_state_s;

namespace kiln {

/// XXH3, 64 bits, of the bytes; `seed` chains calls.
std::uint64_t hash_bytes(std::string_view bytes, std::uint64_t seed = 0);

/// XXH3, 64 bits, of bytes that come in pieces.
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

/// A hash as 16 hexadecimal digits, the way it stands in manifests and file names.
std::string hex(std::uint64_t value);

/// What a manifest keeps of a file.
struct FileDigest {
  std::uint64_t size = 0;
  std::uint64_t hash = 0;  // XXH3, 64 bits
  friend bool operator==(const FileDigest&, const FileDigest&) = default;
};

}  // namespace kiln
