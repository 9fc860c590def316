// Keeps all ranks but the root silent, and ends all of them if one fails.
#include "cli/ranks.h"

#include "kiln/core/report.h"

#include <spdlog/spdlog.h>

#include <chrono>
#include <thread>

namespace kiln::cli {
namespace {

World* other_ranks = nullptr;  // of several processes

}  // namespace

World& join_ranks() {
  World& world = join_world();
  if (world.size() > 1) other_ranks = &world;
  if (!world.is_root()) {
    set_reporter(nullptr);
    spdlog::set_level(spdlog::level::err);
  }
  return world;
}

std::string rank_prefix_of_error() {
  constexpr std::chrono::seconds kTimeOfRoot{2};
  if (find_launch().rank > 0) std::this_thread::sleep_for(kTimeOfRoot);
  return rank_prefix();
}

void end_all_ranks(int code) {
  if (other_ranks != nullptr) other_ranks->abort(code);
}

}  // namespace kiln::cli
