// Keeps the guarded maps in a table that a signal handler can read: fixed entries, set and cleared by an atomic store.
#include "kiln/core/map_guard.h"

#include "kiln/core/error.h"
#include "kiln/core/world.h"

#include <array>
#include <atomic>
#include <csignal>
#include <mutex>
#include <string_view>
#include <unistd.h>
#include <utility>

namespace kiln {
namespace {

constexpr std::size_t kMostMaps = 256;  // further maps are not guarded

struct Place {
  std::atomic<const char*> begin = nullptr;  // null: free
  std::size_t size = 0;
  std::string path;
};

std::array<Place, kMostMaps> places;
std::mutex entering;
std::string rank;  // as rank_prefix returns it

void say(std::string_view text) {
  if (::write(STDERR_FILENO, text.data(), text.size()) < 0) return;  // there is no other output to report it to
}

/// Does only what is async-signal-safe: reads, writes, exits.
void report(int signal, siginfo_t* info, void* /*context*/) {
  const char* at = static_cast<const char*>(info->si_addr);
  for (const Place& place : places) {
    const char* begin = place.begin.load(std::memory_order_acquire);
    if (begin == nullptr || at < begin || at >= begin + place.size) continue;
    say("error: ");
    say(rank);
    say(place.path);
    say(": cannot be read any more; was it cut short while it was in use? Restore it and start again (a training with "
        "--resume)\n");
    ::_exit(static_cast<int>(ExitCode::bad_input));
  }
  std::signal(signal, SIG_DFL);  // not in a guarded map: recurs on return, with the default action
}

void install() {
  rank = rank_prefix();
  struct sigaction action {};
  action.sa_sigaction = report;
  action.sa_flags = SA_SIGINFO;
  ::sigemptyset(&action.sa_mask);
  ::sigaction(SIGBUS, &action, nullptr);
}

}  // namespace

MapGuard::MapGuard(const char* begin, std::size_t size, const std::string& path) {
  const std::scoped_lock lock(entering);
  static const bool installed = (install(), true);
  static_cast<void>(installed);
  for (std::size_t i = 0; i < places.size(); ++i) {
    if (places[i].begin.load(std::memory_order_relaxed) != nullptr) continue;
    places[i].size = size;
    places[i].path = path;
    places[i].begin.store(begin, std::memory_order_release);
    place_ = static_cast<int>(i);
    return;
  }
}

MapGuard::~MapGuard() {
  if (place_ < 0) return;
  const std::scoped_lock lock(entering);
  places[static_cast<std::size_t>(place_)].begin.store(nullptr, std::memory_order_release);
}

MapGuard::MapGuard(MapGuard&& other) noexcept : place_(std::exchange(other.place_, -1)) {}

MapGuard& MapGuard::operator=(MapGuard&& other) noexcept {
  std::swap(place_, other.place_);
  return *this;
}

}  // namespace kiln
