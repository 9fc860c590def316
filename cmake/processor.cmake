# KILN_FAST_PAIRS: whether this processor multiplies pairs of bfloat16 (AVX512-BF16) faster than float. AMD's do, twice
# as fast; Intel's are half as fast.
set(KILN_FAST_PAIRS ON)
if(EXISTS /proc/cpuinfo)
  file(STRINGS /proc/cpuinfo intel REGEX "vendor_id.*GenuineIntel" LIMIT_COUNT 1)
  if(intel)
    set(KILN_FAST_PAIRS OFF)
  endif()
endif()
