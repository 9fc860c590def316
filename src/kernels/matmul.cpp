// Chooses the microkernel of a type and CPU for kernels/tiled_product. Products of a few rows have their own kernel.
#include "kiln/kernels/matmul.h"

#include "kiln/core/processor.h"

#include "kernels/amx_microkernel.h"
#include "kernels/amx_registers.h"
#include "kernels/avx2_block.h"
#include "kernels/avx512_block.h"
#include "kernels/bfmmla_block.h"
#include "kernels/skinny_gemm.h"
#include "kernels/strided.h"
#include "kernels/tiled_product.h"
#include "kernels/vector_block.h"
#include "kernels/vector_microkernel.h"
#include <cassert>
#include <type_traits>

namespace kiln {
namespace {

template <class T>
Strided<T> plain(ConstMat<T> m) {
  return {m.data(), m.rows(), m.cols(), m.outerStride(), 1};
}
template <class T>
Strided<T> transposed(ConstMat<T> m) {
  return {m.data(), m.cols(), m.rows(), 1, m.outerStride()};
}

/// What multiplies: vectors of the build's architecture, or the CPU's, or its instructions for several bfloat16 at once
/// (AVX512-BF16, BFMMLA), or its tiles of bfloat16 pairs.
enum class Unit { vectors, avx2, avx512, bfloat16_products, amx };

[[maybe_unused]] Unit fastest_for_float() {
  if (has_avx512()) return Unit::avx512;
  return has_avx2() ? Unit::avx2 : Unit::vectors;
}

template <class T>
Unit unit() {
  if constexpr (std::is_same_v<T, double>) return Unit::vectors;
  static const Unit fastest = [] {
    if constexpr (std::is_same_v<T, bfloat16>) {
      if (has_bfloat16_tiles()) return Unit::amx;
      if (has_fast_bfloat16()) return Unit::bfloat16_products;
    }
    return fastest_for_float();  // of bfloat16, widened
  }();
  return fastest;
}

/// Calls body.operator()<Microkernel>() with the one for this type and CPU.
template <class T, class Body>
auto with_microkernel(Body&& body) {
#if defined(__x86_64__)
  if constexpr (std::is_same_v<T, bfloat16>) {
    if (unit<T>() == Unit::amx) return body.template operator()<AmxMicrokernel<AmxRegisters>>();
    if (unit<T>() == Unit::bfloat16_products) return body.template operator()<VectorMicrokernel<T, Avx512Block<2>>>();
  }
  if constexpr (!std::is_same_v<T, double>) {
    if (unit<T>() == Unit::avx512) return body.template operator()<VectorMicrokernel<T, Avx512Block<1>>>();
    if (unit<T>() == Unit::avx2) return body.template operator()<VectorMicrokernel<T, Avx2Block>>();
  }
#elif defined(KILN_BFMMLA)
  if constexpr (std::is_same_v<T, bfloat16>) {
    if (unit<T>() == Unit::bfloat16_products) return body.template operator()<VectorMicrokernel<T, BfmmlaBlock>>();
  }
#endif
  return body.template operator()<VectorMicrokernel<T, VectorBlock<Acc<T>>>>();
}

template <class T, class U>
void multiply(const Strided<T>& a, const Strided<T>& b, Mat<U> c, Write write, ConstVec<T> bias) {
  assert(a.cols == b.rows && a.rows == c.rows() && b.cols == c.cols());
  assert(bias.size() == 0 || bias.size() == c.cols());
  if (c.size() == 0) return;
  with_microkernel<T>([&]<class Microkernel>() { tiled_product<Microkernel, U>(a, b, c, write, bias); });
}

/// Returns whether kernels/skinny_gemm computes a product: packing b would cost more than the product.
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
std::size_t matmul_workspace_bytes() {
  return with_microkernel<T>([]<class Microkernel>() { return tiled_product_bytes<Microkernel>(); });
}

template std::size_t matmul_workspace_bytes<float>();
template std::size_t matmul_workspace_bytes<bfloat16>();

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
