// libFuzzer's way into one target, KILN_FUZZ_TARGET: an exception that leaves it ends the process, which is a finding.
#include <spdlog/spdlog.h>

#include "target.h"
#include <cstddef>
#include <cstdint>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const kiln::fuzz::Target& target = [&]() -> const kiln::fuzz::Target& {
    spdlog::set_level(spdlog::level::off);
    return kiln::fuzz::find_target(KILN_FUZZ_TARGET);
  }();
  kiln::fuzz::attempt(target, {reinterpret_cast<const char*>(data), size});
  return 0;
}
