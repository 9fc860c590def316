// Allocates activations from one block with a bump pointer; can count the bytes before it allocates any.
#pragma once

#include "kiln/tensor/view.h"

#include <cstddef>
#include <memory>

namespace kiln {

/// Zeroed memory, aligned to a cache line. A large block occupies memory page by page, as it is written to.
class AlignedBlock {
 public:
  AlignedBlock() = default;
  explicit AlignedBlock(std::size_t bytes);  // throws Error (usage) if the allocation fails
  std::byte* data() const { return memory_.get(); }

 private:
  struct Free {
    std::size_t mapped;  // bytes; 0: from the heap
    void operator()(std::byte* memory) const;
  };
  std::unique_ptr<std::byte, Free> memory_;
};

/// Allocates views from one block. A counting arena has no block: it runs the same layout code, returns null views and
/// records the peak, so that plans are exact and a second arena can be sized by it.
class Arena {
 public:
  static Arena counting() { return Arena(); }
  explicit Arena(std::size_t capacity_bytes) : block_(capacity_bytes), capacity_(capacity_bytes), counting_(false) {}

  template <class T>
  Mat<T> matrix(Index rows, Index cols) {
    return mat(static_cast<T*>(take(static_cast<std::size_t>(rows * cols) * sizeof(T))), rows, cols);
  }
  template <class T>
  Vec<T> vector(Index size) {
    return {static_cast<T*>(take(static_cast<std::size_t>(size) * sizeof(T))), size};
  }

  std::size_t mark() const { return used_; }
  void release(std::size_t mark) { used_ = mark; }  // frees everything allocated since the mark
  std::size_t peak_bytes() const { return peak_; }
  bool is_counting() const { return counting_; }

 private:
  Arena() = default;
  void* take(std::size_t bytes);

  AlignedBlock block_;
  std::size_t capacity_ = 0;
  std::size_t used_ = 0;
  std::size_t peak_ = 0;
  bool counting_ = true;
};

/// Returns the peak bytes that lay_out(arena) allocates.
template <class LayOut>
std::size_t bytes_of(LayOut&& lay_out) {
  Arena counting = Arena::counting();
  lay_out(counting);
  return counting.peak_bytes();
}

}  // namespace kiln
