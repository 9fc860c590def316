// Who makes which product. oneDNN makes those of float, and of bfloat16 where the processor's vectors have instructions
// worth using; kernels of our own make all others of bfloat16, by tiles where the processor has them, else in float;
// Eigen those of double, and of float where there is no oneDNN. How oneDNN and Eigen share a product out depends on the
// number of threads: where no bit may, each tile is a product of its own.
#include "kiln/kernels/matmul.h"

#include "kiln/core/processor.h"
#include "kiln/core/threads.h"
#include "kiln/kernels/product_tiles.h"
#include "kiln/tensor/convert.h"

#include "kernels/amx_product.h"
#include "kernels/few_rows.h"
#include "kernels/matmul_onednn.h"
#include "kernels/scratch.h"
#include "kernels/strided.h"
#include "kernels/widened_product.h"
#include <cassert>

namespace kiln {
namespace {

/// Whether oneDNN makes the products that the threads share.
template <class T>
constexpr bool kByOneDnn = kHasOneDnn && !std::is_same_v<T, double>;

constexpr Index kConvertedLines = 16;  // of a matrix, at least, for a thread that converts them

template <class T>
Strided<T> plain(ConstMat<T> m) {
  return {m.data(), m.rows(), m.cols(), row_stride(m), 1};
}
template <class T>
Strided<T> transposed(ConstMat<T> m) {
  return {m.data(), m.cols(), m.rows(), 1, row_stride(m)};
}

/// Eigen's product, on the calling thread.
template <class T>
void multiply_eigen(const Strided<T>& a, const Strided<T>& b, Mat<T> c, Write write, ConstVec<T> bias) {
  using Stride = Eigen::Stride<Eigen::Dynamic, Eigen::Dynamic>;
  using View = Eigen::Map<const RowMajor<T>, Eigen::Unaligned, Stride>;
  const View left(a.data, a.rows, a.cols, Stride(a.row_stride, a.col_stride));
  const View right(b.data, b.rows, b.cols, Stride(b.row_stride, b.col_stride));
  if (write == Write::overwrite) c.setZero();
  c.noalias() += left * right;
  if (bias.size() > 0) c.rowwise() += bias.transpose();
}

/// Eigen's product, each thread computing a share of the output's rows (or columns, where they are more).
template <class T>
void share_eigen(const Strided<T>& a, const Strided<T>& b, Mat<T> c, Write write, ConstVec<T> bias) {
  constexpr Index kGrain = 16;
  if (c.rows() >= c.cols()) {
    parallel_for(c.rows(), kGrain, [&](Index begin, Index end) {
      multiply_eigen<T>(a.part(begin, end - begin, 0, a.cols), b, rows(c, begin, end - begin), write, bias);
    });
  } else {
    parallel_for(c.cols(), kGrain, [&](Index begin, Index end) {
      multiply_eigen<T>(a, b.part(0, b.rows, begin, end - begin), columns(c, begin, end - begin), write,
                        part(bias, begin, end - begin));
    });
  }
}

/// A product on the calling thread, or oneDNN's on all that are there.
template <class T, class U>
void multiply_whole(const Strided<T>& a, const Strided<T>& b, Mat<U> c, Write write, ConstVec<T> bias) {
  if constexpr (kByOneDnn<T>) {
    onednn_product<T, U>(a, b, c, write, bias);
  } else {
    multiply_eigen<T>(a, b, c, write, bias);
  }
}

/// layer_products(l) (M, N) (+)= a b over layer l of the inner dimension (+ bias), each tile on one thread.
template <class T, class U, class Layer>
void multiply_tiles(const ProductTiles& tiles, const Strided<T>& a, const Strided<T>& b, Layer&& layer_products,
                    Write write, ConstVec<T> bias) {
  parallel_for(tiles.count(), 1, [&](Index begin, Index end) {
    const OneThread alone;
    for (Index i = begin; i < end; ++i) {
      const ProductTile t = tiles[i];
      const Mat<U> c = columns(rows(layer_products(i / tiles.per_layer()), t.row, t.rows), t.col, t.cols);
      multiply_whole<T, U>(a.part(t.row, t.rows, t.inner, t.depth), b.part(t.inner, t.depth, t.col, t.cols), c, write,
                           part(bias, t.col, t.cols));
    }
  });
}

/// A product in tiles that its sizes alone decide on, and sums over their layers in their order.
template <class T, class U>
void multiply_in_tiles(const Strided<T>& a, const Strided<T>& b, Mat<U> c, Write write, ConstVec<T> bias) {
  using A = Acc<T>;
  const ProductTiles tiles(c.rows(), c.cols(), a.cols);
  if (tiles.layers() == 1)
    return multiply_tiles<T, U>(
        tiles, a, b, [&](Index) { return c; }, write, bias);
  // Some megabytes at most, since it takes a small c to want layers.
  A* const products = scratch<ProductTiles, A>(tiles.layers() * c.size());
  const auto layer = [&](Index l) { return mat(products + l * c.size(), c.rows(), c.cols()); };
  multiply_tiles<T, A>(tiles, a, b, layer, Write::overwrite, no_const_vec<T>());
  parallel_for(c.rows(), kConvertedLines, [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) {
      A* sums = row(layer(0), i);
      for (Index l = 1; l < tiles.layers(); ++l) {
        const A* more = row(layer(l), i);
        for (Index j = 0; j < c.cols(); ++j) sums[j] += more[j];
      }
      if (bias.size() > 0) {
        for (Index j = 0; j < c.cols(); ++j) sums[j] += widen(bias[j]);
      }
      U* out = row(c, i);
      const bool adds = write == Write::accumulate;
      for (Index j = 0; j < c.cols(); ++j) out[j] = narrow<U>(sums[j] + (adds ? widen(out[j]) : A(0)));
    }
  });
}

/// A product by all threads: in tiles, or as oneDNN or Eigen are fastest.
template <class T, class U>
void multiply_shared(const Strided<T>& a, const Strided<T>& b, Mat<U> c, Write write, ConstVec<T> bias) {
  if (deterministic()) {
    multiply_in_tiles<T, U>(a, b, c, write, bias);
  } else if constexpr (kByOneDnn<T>) {
    onednn_product<T, U>(a, b, c, write, bias);
  } else {
    share_eigen<T>(a, b, c, write, bias);
  }
}

constexpr Index kLine = 16;                 // floats
constexpr Index kRowsWorthSpreading = 128;  // of the left factor

/// Whether the rows of the right factor lie whole pages apart, so that a column of it falls on a few lines of the
/// cache, which slows oneDNN, and the left factor has so many that a copy is worth it.
bool thrashes(Index left_rows, const Strided<float>& b) {
  constexpr Index kPage = 4096 / sizeof(float);
  return kHasOneDnn && left_rows >= kRowsWorthSpreading && b.col_stride == 1 && b.rows > 1 && b.row_stride % kPage == 0;
}

/// The matrix with its rows a cache line further apart than they are long.
Strided<float> spread(const Strided<float>& m) {
  const Index stride = m.cols + kLine;
  float* const out = scratch<struct Spread, float>(m.rows * stride);
  parallel_for(m.rows, kConvertedLines, [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) std::copy_n(m.data + i * m.row_stride, m.cols, out + i * stride);
  });
  return {out, m.rows, m.cols, stride, 1};
}

/// Who makes products of bfloat16 on this processor.
enum class Maker { tiles, onednn, widening };

Maker maker_of_bfloat16() {
  static const Maker maker = [] {
    if constexpr (kHasAmx) {
      if (has_bfloat16_tiles()) return Maker::tiles;  // at up to twice the speed of oneDNN's own use of them
    }
    if constexpr (kHasOneDnn) {
      if (onednn_multiplies_bfloat16()) return Maker::onednn;
    }
    return Maker::widening;
  }();
  return maker;
}

template <class U>
void multiply_bfloat16(const Strided<bfloat16>& a, const Strided<bfloat16>& b, Mat<U> c, Write write,
                       ConstVec<bfloat16> bias) {
  switch (maker_of_bfloat16()) {
    case Maker::tiles:
      if constexpr (kHasAmx) amx_product<U>(a, b, c, write, bias);
      break;
    case Maker::onednn:
      if constexpr (kHasOneDnn) multiply_shared<bfloat16, U>(a, b, c, write, bias);
      break;
    case Maker::widening:
      widened_product<U>(a, b, c, write, bias);
      break;
  }
}

/// Bytes that each thread keeps for them.
std::size_t bytes_of_bfloat16() {
  switch (maker_of_bfloat16()) {
    case Maker::tiles:
      if constexpr (kHasAmx) return amx_product_bytes();
      break;
    case Maker::onednn:
      break;
    case Maker::widening:
      return widened_product_bytes();
  }
  return 0;
}

template <class T, class U>
void multiply(const Strided<T>& a, const Strided<T>& b, Mat<U> c, Write write, ConstVec<T> bias) {
  assert(a.cols == b.rows && a.rows == c.rows() && b.cols == c.cols());
  assert(bias.size() == 0 || bias.size() == c.cols());
  if (c.size() == 0) return;
  if constexpr (std::is_same_v<T, bfloat16>) {
    multiply_bfloat16<U>(a, b, c, write, bias);
  } else if constexpr (std::is_same_v<T, float>) {
    multiply_shared<T, U>(a, thrashes(a.rows, b) ? spread(b) : b, c, write, bias);
  } else {
    multiply_shared<T, U>(a, b, c, write, bias);
  }
}

/// Whether kernels/few_rows makes a product: oneDNN lays the right factor out anew first, which costs more than it.
template <class U>
bool has_few_rows(const Mat<U>& c, Write write) {
  return c.rows() > 0 && c.rows() <= kFewRows && write == Write::overwrite;
}

}  // namespace

template <class T, class U>
void matmul(ConstMat<T> a, ConstMat<T> b, Mat<U> c, Write write, ConstVec<T> bias) {
  if constexpr (!std::is_same_v<T, double>) {
    if (has_few_rows(c, write)) return few_rows_matmul<T, U>(a, b, c, bias);
  }
  multiply<T, U>(plain(a), plain(b), c, write, bias);
}

template <class T, class U>
void matmul_nt(ConstMat<T> a, ConstMat<T> b, Mat<U> c, Write write, ConstVec<T> bias) {
  if constexpr (!std::is_same_v<T, double>) {
    if (has_few_rows(c, write)) return few_rows_matmul_nt<T, U>(a, b, c, bias);
  }
  multiply<T, U>(plain(a), transposed(b), c, write, bias);
}

template <class T, class U>
void matmul_tn(ConstMat<T> a, ConstMat<T> b, Mat<U> c, Write write, ConstVec<T> bias) {
  multiply<T, U>(transposed(a), plain(b), c, write, bias);
}

template <class T>
std::size_t matmul_scratch_bytes([[maybe_unused]] Index M, [[maybe_unused]] Index K, [[maybe_unused]] Index N) {
  if constexpr (std::is_same_v<T, bfloat16>) {
    return static_cast<std::size_t>(threads()) * bytes_of_bfloat16();
  } else {
    return thrashes(M, {nullptr, K, N, N, 1}) ? static_cast<std::size_t>(K * (N + kLine)) * sizeof(float) : 0;
  }
}

template std::size_t matmul_scratch_bytes<float>(Index, Index, Index);
template std::size_t matmul_scratch_bytes<bfloat16>(Index, Index, Index);

#define KILN_INSTANTIATE(T, U)                                                         \
  template void matmul<T, U>(ConstMat<T>, ConstMat<T>, Mat<U>, Write, ConstVec<T>);    \
  template void matmul_nt<T, U>(ConstMat<T>, ConstMat<T>, Mat<U>, Write, ConstVec<T>); \
  template void matmul_tn<T, U>(ConstMat<T>, ConstMat<T>, Mat<U>, Write, ConstVec<T>);
KILN_INSTANTIATE(float, float)
KILN_INSTANTIATE(double, double)
KILN_INSTANTIATE(bfloat16, bfloat16)
KILN_INSTANTIATE(bfloat16, float)
#undef KILN_INSTANTIATE

}  // namespace kiln
