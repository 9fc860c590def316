// Wraps xxhash, for whole and for streamed bytes.
#include "kiln/core/hash.h"

#include <fmt/format.h>
#include <xxhash.h>

namespace kiln {

std::uint64_t hash_bytes(std::string_view bytes, std::uint64_t seed) {
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

void StreamHash::Free::operator()(XXH3_state_s* state) const { XXH3_freeState(state); }

StreamHash::StreamHash() : state_(XXH3_createState()) { XXH3_64bits_reset(state_.get()); }

void StreamHash::update(std::string_view bytes) { XXH3_64bits_update(state_.get(), bytes.data(), bytes.size()); }

std::uint64_t StreamHash::digest() const { return XXH3_64bits_digest(state_.get()); }

std::string hex(std::uint64_t value) { return fmt::format("{:016x}", value); }

}  // namespace kiln
