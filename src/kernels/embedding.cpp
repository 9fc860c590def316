// Gathers rows in the forward, and scatters sums in the backward.
#include "kiln/kernels/embedding.h"

#include "kiln/core/threads.h"
#include "kiln/tensor/convert.h"

#include <algorithm>

namespace kiln {
namespace {

constexpr Index kRowGrain = 16;
constexpr Index kColumnGrain = 32;

}  // namespace

template <class T>
void embedding_forward(std::span<const std::int32_t> tokens, std::span<const std::int32_t> positions,
                       ConstMat<T> tokens_table, ConstMat<T> positions_table, Mat<T> x, ConstMat<T> added_table) {
  const Index C = x.cols(), first_added = tokens_table.rows();
  parallel_for(x.rows(), kRowGrain, [&](Index begin, Index end) {
    for (Index n = begin; n < end; ++n) {
      const Index id = tokens[static_cast<std::size_t>(n)];
      const T* token = id < first_added ? row(tokens_table, id) : row(added_table, id - first_added);
      T* out = row(x, n);
      if (positions_table.rows() == 0) {
        std::copy_n(token, C, out);
        continue;
      }
      const T* position = row(positions_table, positions[static_cast<std::size_t>(n)]);
      for (Index c = 0; c < C; ++c) out[c] = narrow<T>(widen(token[c]) + widen(position[c]));
    }
  });
}

// x[n] = tokens_table[tokens[n]] + positions_table[positions[n]]
template <class T>
void embedding_backward(std::span<const std::int32_t> tokens, std::span<const std::int32_t> positions, ConstMat<T> dx,
                        Mat<Acc<T>> dtokens_table, Mat<Acc<T>> dpositions_table, Index first_added,
                        Mat<Acc<T>> dadded_table) {
  using A = Acc<T>;
  parallel_for(dx.cols(), kColumnGrain, [&](Index begin, Index end) {  // by columns: no two threads share an element
    for (Index n = 0; n < dx.rows(); ++n) {
      const T* in = row(dx, n);
      const Index id = tokens[static_cast<std::size_t>(n)];
      const Mat<A> table = id < first_added ? dtokens_table : dadded_table;
      if (table.rows() > 0) {
        A* token = row(table, id < first_added ? id : id - first_added);
        for (Index c = begin; c < end; ++c) token[c] += widen(in[c]);
      }
      if (dpositions_table.rows() == 0) continue;
      A* position = row(dpositions_table, positions[static_cast<std::size_t>(n)]);
      for (Index c = begin; c < end; ++c) position[c] += widen(in[c]);
    }
  });
}

#define KILN_INSTANTIATE(T)                                                                                      \
  template void embedding_forward<T>(std::span<const std::int32_t>, std::span<const std::int32_t>, ConstMat<T>,  \
                                     ConstMat<T>, Mat<T>, ConstMat<T>);                                          \
  template void embedding_backward<T>(std::span<const std::int32_t>, std::span<const std::int32_t>, ConstMat<T>, \
                                      Mat<Acc<T>>, Mat<Acc<T>>, Index, Mat<Acc<T>>);
KILN_INSTANTIATE(float)
KILN_INSTANTIATE(bfloat16)
KILN_INSTANTIATE(double)
#undef KILN_INSTANTIATE

}  // namespace kiln
