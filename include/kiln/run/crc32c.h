// The checksum of TensorBoard's records.
#pragma once

#include <cstdint>
#include <string_view>

namespace kiln {

/// CRC-32C (Castagnoli), as in RFC 3720.
std::uint32_t crc32c(std::string_view bytes);

/// The checksum as it stands in records: rotated and shifted, so that a checksum of bytes that hold checksums stays a
/// good one.
std::uint32_t masked_crc32c(std::string_view bytes);

}  // namespace kiln
