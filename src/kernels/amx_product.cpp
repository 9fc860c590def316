// Instantiates tiled_product with the AMX microkernel and the CPU's registers.
#include "kernels/amx_product.h"

#if defined(__x86_64__)
#include "kernels/amx_microkernel.h"
#include "kernels/amx_registers.h"

namespace kiln {

template <class U>
void amx_product(const Strided<bfloat16>& a, const Strided<bfloat16>& b, Mat<U> c, Write write,
                 ConstVec<bfloat16> bias) {
  tiled_product<AmxMicrokernel<AmxRegisters>, U>(a, b, c, write, bias);
}

std::size_t amx_product_bytes() { return tiled_product_bytes<AmxMicrokernel<AmxRegisters>>(); }

template void amx_product<bfloat16>(const Strided<bfloat16>&, const Strided<bfloat16>&, Mat<bfloat16>, Write,
                                    ConstVec<bfloat16>);
template void amx_product<float>(const Strided<bfloat16>&, const Strided<bfloat16>&, Mat<float>, Write,
                                 ConstVec<bfloat16>);

}  // namespace kiln

#endif
