// Chooses the GEMM backend. kiln's own tiled GEMM makes all products, except of float where oneDNN has AVX-512, and of
// bfloat16 where it has AVX512-BF16 without AMX. Its tiles are multiplied by AMX (bfloat16), AVX2 (float, and bfloat16
// as float), or a library: oneDNN, or Eigen (double, or without oneDNN). deterministic() replaces oneDNN's products by
// tiles, whose bits do not depend on the thread count. Products of a few rows have their own kernel.
#include "kiln/kernels/matmul.h"

#include "kiln/core/processor.h"
#include "kiln/core/threads.h"

#include "kernels/amx_product.h"
#include "kernels/avx2_product.h"
#include "kernels/library_microkernel.h"
#include "kernels/matmul_onednn.h"
#include "kernels/scratch.h"
#include "kernels/skinny_gemm.h"
#include "kernels/strided.h"
#include "kernels/tiled_product.h"
#include <algorithm>
#include <cassert>
#include <type_traits>

namespace kiln {
namespace {

template <class T>
Strided<T> plain(ConstMat<T> m) {
  return {m.data(), m.rows(), m.cols(), row_stride(m), 1};
}
template <class T>
Strided<T> transposed(ConstMat<T> m) {
  return {m.data(), m.cols(), m.rows(), 1, row_stride(m)};
}

/// The backend for a type: oneDNN, or tiles by a library in the type itself or widened to float, by AVX2, or by AMX.
enum class Maker { onednn, tiles, widened_tiles, avx2, amx };

template <class T>
using Tiles = LibraryMicrokernel<T, std::conditional_t<kByOneDnn<T>, T, Acc<T>>>;
using WidenedTiles = LibraryMicrokernel<bfloat16, float>;

/// Returns whether a library multiplies floats by AVX-512, twice the width of kiln's own product.
bool library_has_avx512() {
  if constexpr (kHasOneDnn) return onednn_has_avx512();
#ifdef EIGEN_VECTORIZE_AVX512
  return true;
#else
  return false;
#endif
}

Maker fastest_for_float() {
  if (kHasAvx2Product && has_avx2() && !library_has_avx512()) return Maker::avx2;
  return kHasOneDnn ? Maker::onednn : Maker::tiles;
}

Maker fastest_for_bfloat16() {
  if (kHasAmx && has_bfloat16_tiles()) return Maker::amx;  // up to twice as fast as oneDNN's use of AMX
  if constexpr (kHasOneDnn) {
    if (onednn_multiplies_bfloat16()) return Maker::onednn;
  }
  return fastest_for_float() == Maker::avx2 ? Maker::avx2 : Maker::widened_tiles;
}

template <class T>
Maker maker() {
  if constexpr (std::is_same_v<T, double>) return Maker::tiles;
  static const Maker fastest = std::is_same_v<T, float> ? fastest_for_float() : fastest_for_bfloat16();
  return fastest == Maker::onednn && deterministic() ? Maker::tiles : fastest;
}

constexpr Index kLine = 16;                 // floats
constexpr Index kRowsWorthSpreading = 128;  // of the left factor
constexpr Index kCopiedRows = 16;           // at least, per copying thread

/// Returns whether to copy b for oneDNN: its rows lie whole pages apart, so that a column maps to few cache lines,
/// which slows oneDNN, and the left factor has enough rows to be worth the copy.
template <class T>
bool thrashes(Index left_rows, const Strided<T>& b) {
  constexpr Index kPage = 4096 / sizeof(float);
  return kHasOneDnn && std::is_same_v<T, float> && maker<T>() != Maker::avx2 && left_rows >= kRowsWorthSpreading &&
         b.col_stride == 1 && b.rows > 1 && b.row_stride % kPage == 0;
}

/// Copies the matrix with one cache line of padding after each row.
template <class T>
Strided<T> spread(const Strided<T>& m) {
  const Index stride = m.cols + kLine;
  T* const out = scratch<struct Spread, T>(m.rows * stride);
  parallel_for(m.rows, kCopiedRows, [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) std::copy_n(m.data + i * m.row_stride, m.cols, out + i * stride);
  });
  return {out, m.rows, m.cols, stride, 1};
}

template <class T, class U>
void multiply(const Strided<T>& a, const Strided<T>& b, Mat<U> c, Write write, ConstVec<T> bias) {
  assert(a.cols == b.rows && a.rows == c.rows() && b.cols == c.cols());
  assert(bias.size() == 0 || bias.size() == c.cols());
  if (c.size() == 0) return;
  const Strided<T> right = thrashes(a.rows, b) ? spread(b) : b;
  switch (maker<T>()) {
    case Maker::onednn:
      if constexpr (kByOneDnn<T>) onednn_product<T, U>(a, right, c, write, bias);
      break;
    case Maker::tiles:
      tiled_product<Tiles<T>, U>(a, right, c, write, bias);
      break;
    case Maker::widened_tiles:
      if constexpr (std::is_same_v<T, bfloat16>) tiled_product<WidenedTiles, U>(a, right, c, write, bias);
      break;
    case Maker::avx2:
      if constexpr (kHasAvx2Product && !std::is_same_v<T, double>) avx2_product<T, U>(a, b, c, write, bias);
      break;
    case Maker::amx:
      if constexpr (kHasAmx && std::is_same_v<T, bfloat16>) amx_product<U>(a, right, c, write, bias);
      break;
  }
}

/// Returns whether kernels/skinny_gemm computes a product: oneDNN would first repack b, which costs more than the
/// product.
template <class U>
bool is_skinny(const Mat<U>& c, Write write) {
  return c.rows() > 0 && c.rows() <= kSkinnyRows && write == Write::overwrite;
}

}  // namespace

template <class T, class U>
void matmul(ConstMat<T> a, ConstMat<T> b, Mat<U> c, Write write, ConstVec<T> bias) {
  if constexpr (!std::is_same_v<T, double>) {
    if (is_skinny(c, write)) return skinny_gemm<T, U>(a, b, c, bias);
  }
  multiply<T, U>(plain(a), plain(b), c, write, bias);
}

template <class T, class U>
void matmul_nt(ConstMat<T> a, ConstMat<T> b, Mat<U> c, Write write, ConstVec<T> bias) {
  if constexpr (!std::is_same_v<T, double>) {
    if (is_skinny(c, write)) return skinny_gemm_nt<T, U>(a, b, c, bias);
  }
  multiply<T, U>(plain(a), transposed(b), c, write, bias);
}

template <class T, class U>
void matmul_tn(ConstMat<T> a, ConstMat<T> b, Mat<U> c, Write write, ConstVec<T> bias) {
  multiply<T, U>(transposed(a), plain(b), c, write, bias);
}

template <class T>
std::size_t matmul_copy_bytes(Index M, Index K, Index N) {
  return thrashes<T>(M, {nullptr, K, N, N, 1}) ? static_cast<std::size_t>(K * (N + kLine)) * sizeof(T) : 0;
}

template <class T>
std::size_t matmul_tile_bytes() {
  switch (maker<T>()) {
    case Maker::onednn:
      break;
    case Maker::tiles:
      return tiled_product_bytes<Tiles<T>>();
    case Maker::widened_tiles:
      return tiled_product_bytes<WidenedTiles>();
    case Maker::avx2:
      if constexpr (kHasAvx2Product && !std::is_same_v<T, double>) return avx2_product_bytes<T>();
      break;
    case Maker::amx:
      if constexpr (kHasAmx) return amx_product_bytes();
      break;
  }
  return 0;
}

template std::size_t matmul_copy_bytes<float>(Index, Index, Index);
template std::size_t matmul_copy_bytes<bfloat16>(Index, Index, Index);
template std::size_t matmul_tile_bytes<float>();
template std::size_t matmul_tile_bytes<bfloat16>();

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
