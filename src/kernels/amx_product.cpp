// Nothing but the unit of tiles in its place; elsewhere than on x86-64 nobody calls it.
#include "kernels/amx_product.h"

#include "kernels/amx_registers.h"
#include "kernels/amx_unit.h"
#include <cassert>

namespace kiln {

#ifdef KILN_AMX

template <class U>
void amx_product(const Strided<bfloat16>& a, const Strided<bfloat16>& b, Mat<U> c, Write write,
                 ConstVec<bfloat16> bias) {
  packed_product<AmxUnit<AmxRegisters>, U>(a, b, c, write, bias);
}

std::size_t amx_product_bytes() { return packed_product_bytes<AmxUnit<AmxRegisters>>(); }

#else

template <class U>
void amx_product(const Strided<bfloat16>&, const Strided<bfloat16>&, Mat<U>, Write, ConstVec<bfloat16>) {
  assert(!"processors other than x86-64 have no such tiles");
}

std::size_t amx_product_bytes() { return 0; }

#endif

template void amx_product<bfloat16>(const Strided<bfloat16>&, const Strided<bfloat16>&, Mat<bfloat16>, Write,
                                    ConstVec<bfloat16>);
template void amx_product<float>(const Strided<bfloat16>&, const Strided<bfloat16>&, Mat<float>, Write,
                                 ConstVec<bfloat16>);

}  // namespace kiln
