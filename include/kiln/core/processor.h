// What this machine's processor can do.
#pragma once

#include <string>

namespace kiln {

/// Whether it multiplies bfloat16 in hardware (AVX512-BF16; processors with AMX have it too).
bool has_bfloat16_products();

/// Its name, "AMD EPYC 9B14"; "unknown processor" where the system does not say.
std::string processor_name();

}  // namespace kiln
