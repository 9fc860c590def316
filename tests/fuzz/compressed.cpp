// Compressed files: whatever lengths they state, no more comes out than is allowed.
#include "kiln/core/compressed_file.h"

#include "target.h"

namespace kiln::fuzz {

void fuzz_compressed(std::string_view input) {
  static const Folder folder;
  constexpr std::uint64_t kMostBytes = 1 << 20;
  constexpr std::string_view kZstd = "\x28\xB5\x2F\xFD", kZstdSkipped = "\x50\x2A\x4D\x18";
  const bool is_zstd = input.starts_with(kZstd) || input.starts_with(kZstdSkipped);
  const std::string bytes = read_decompressed(folder.put(is_zstd ? "a.zst" : "a.gz", input), kMostBytes);
  require(bytes.size() <= kMostBytes, "{} bytes came out", bytes.size());
}

}  // namespace kiln::fuzz
