// Whether the sanitizers watch, which makes every access some twenty times dearer: tests of sheer size then do less.
#pragma once

namespace kiln::testing {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif

}  // namespace kiln::testing
