// Allocates aligned blocks, and views from them by a bump pointer.
#include "kiln/tensor/arena.h"

#include "kiln/core/error.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <sys/mman.h>

namespace kiln {
namespace {

constexpr std::size_t kAlignment = 64;
constexpr std::size_t kLarge = std::size_t{4} << 20;  // bytes; larger blocks are mapped and can use huge pages

std::size_t round_up(std::size_t bytes, std::size_t unit) { return (bytes + unit - 1) / unit * unit; }

/// Returns zeroed pages, or nullptr.
void* map_pages(std::size_t bytes) {
  void* pages = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (pages == MAP_FAILED) return nullptr;
  ::madvise(pages, bytes, MADV_HUGEPAGE);  // a hint: failure only costs speed
  return pages;
}

/// Returns zeroed heap memory, or nullptr.
void* take_from_heap(std::size_t bytes) {
  void* memory = std::aligned_alloc(kAlignment, round_up(bytes, kAlignment));
  return memory == nullptr ? nullptr : std::memset(memory, 0, bytes);
}

}  // namespace

AlignedBlock::AlignedBlock(std::size_t bytes) {
  if (bytes == 0) return;
  const bool large = bytes >= kLarge;
  void* memory = large ? map_pages(bytes) : take_from_heap(bytes);
  check(memory != nullptr,
        "cannot allocate {:.2f} GB of memory; choose a smaller model or batch (kiln plan shows the parts)",
        static_cast<double>(bytes) / 1e9);
  memory_ = {static_cast<std::byte*>(memory), Free{large ? bytes : 0}};
}

void AlignedBlock::Free::operator()(std::byte* memory) const {
  if (mapped == 0) {
    std::free(memory);
  } else {
    ::munmap(memory, mapped);
  }
}

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
