// Whether sanitizers watch, or valgrind or qemu emulates the processor, which makes every access some twenty times
// dearer: tests of sheer size then do less.
#pragma once

namespace kiln::testing {

#ifdef __has_feature  // Clang; GCC has macros
#define KILN_HAS_FEATURE(feature) __has_feature(feature)
#else
#define KILN_HAS_FEATURE(feature) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || KILN_HAS_FEATURE(address_sanitizer) || \
    KILN_HAS_FEATURE(thread_sanitizer) || defined(KILN_EMULATED)
#define KILN_SANITIZED 1
#else
#define KILN_SANITIZED 0
#endif
#undef KILN_HAS_FEATURE

inline constexpr bool kSanitized = KILN_SANITIZED;

// Whether the processor is emulated, which makes arithmetic a hundred times dearer.
#ifdef KILN_EMULATED
inline constexpr bool kEmulated = true;
#else
inline constexpr bool kEmulated = false;
#endif

}  // namespace kiln::testing
