// Hashes secrets, so that a file can store the hash instead of the secret.
#pragma once

#include <string>
#include <string_view>

namespace kiln {

/// Returns the SHA-256 of the bytes as 64 hexadecimal digits (FIPS 180-4). For files and caches, hash_bytes is faster.
std::string sha256(std::string_view bytes);

}  // namespace kiln
