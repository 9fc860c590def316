// Instantiates tiled_product with AVX2's registers.
#include "kernels/avx2_product.h"

#if defined(__x86_64__)
#include "kernels/avx2_block.h"
#include "kernels/vector_microkernel.h"

namespace kiln {

template <class T, class U>
void avx2_product(const Strided<T>& a, const Strided<T>& b, Mat<U> c, Write write, ConstVec<T> bias) {
  tiled_product<VectorMicrokernel<T, Avx2Block>, U>(a, b, c, write, bias);
}

template <class T>
std::size_t avx2_product_bytes() {
  return tiled_product_bytes<VectorMicrokernel<T, Avx2Block>>();
}

template std::size_t avx2_product_bytes<float>();
template std::size_t avx2_product_bytes<bfloat16>();

#define KILN_INSTANTIATE(T, U) \
  template void avx2_product<T, U>(const Strided<T>&, const Strided<T>&, Mat<U>, Write, ConstVec<T>);
KILN_INSTANTIATE(float, float)
KILN_INSTANTIATE(bfloat16, bfloat16)
KILN_INSTANTIATE(bfloat16, float)
#undef KILN_INSTANTIATE

}  // namespace kiln

#endif
