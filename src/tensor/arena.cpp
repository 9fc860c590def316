// Aligned blocks and the bump pointer.
#include "kiln/tensor/arena.h"

#include "kiln/core/error.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <sys/mman.h>

namespace kiln {
namespace {

constexpr std::size_t kAlignment = 64;
constexpr std::size_t kHugePage = std::size_t{2} << 20;

std::size_t round_up(std::size_t bytes, std::size_t unit) { return (bytes + unit - 1) / unit * unit; }

}  // namespace

AlignedBlock::AlignedBlock(std::size_t bytes) {
  if (bytes == 0) return;
  const bool large = bytes >= 2 * kHugePage;
  const std::size_t unit = large ? kHugePage : kAlignment;
  auto* memory = static_cast<std::byte*>(std::aligned_alloc(unit, round_up(bytes, unit)));
  check(memory != nullptr,
        "{:.2f} GB of memory cannot be had; choose a smaller model or batch (kiln plan shows the parts)",
        static_cast<double>(bytes) / 1e9);
  memory_.reset(memory);
  if (large) ::madvise(memory, round_up(bytes, unit), MADV_HUGEPAGE);  // a hint: its failure changes nothing but speed
  std::memset(memory, 0, bytes);
}

void AlignedBlock::Free::operator()(std::byte* memory) const { std::free(memory); }

void* Arena::take(std::size_t bytes) {
  const std::size_t begin = used_;
  used_ += round_up(bytes, kAlignment);
  peak_ = std::max(peak_, used_);
  if (counting_) return nullptr;
  if (used_ > capacity_) {
    fail(ExitCode::failure, "activation arena: {} bytes wanted of {}; it was sized for a smaller batch", used_,
         capacity_);
  }
  return block_.data() + begin;
}

}  // namespace kiln
