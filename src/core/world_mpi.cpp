// Joins processes by MPI: the only file that knows it.
#include "kiln/core/error.h"
#include "kiln/core/stopwatch.h"
#include "kiln/core/world.h"

#ifdef KILN_MPI
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <mpi.h>
#include <thread>
#include <utility>
#include <vector>
#endif

namespace kiln {
#ifdef KILN_MPI
namespace {

/// All calls of MPI come from one thread, so any MPI will do, with threads or without.
class MpiWorld final : public World {
 public:
  MpiWorld() {
    // Over one connection, Open MPI sends large messages in one direction at a time: at half of a network's rate.
    ::setenv("OMPI_MCA_btl_tcp_links", "2", 0);
    start_thread();
    on_thread([this] {
      int provided = 0, rank = 0, size = 1;
      MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &provided);
      MPI_Comm_rank(MPI_COMM_WORLD, &rank);
      MPI_Comm_size(MPI_COMM_WORLD, &size);
      set_place(rank, size);
    });
  }

  [[noreturn]] void abort(int code) override {
    MPI_Abort(MPI_COMM_WORLD, code);
    std::_Exit(code);
  }

  void finish() {
    on_thread([] { MPI_Finalize(); });
  }

 private:
  static constexpr int kTag = 0;

  void do_exchange(std::span<const ConstBytes> out, std::span<const Bytes> in) override {
    if (is_lost_) fail(ExitCode::peer, "another rank has not answered before");
    std::vector<MPI_Request> requests;
    std::vector<int> peers;  // of the requests
    const auto note = [&](int peer) {
      peers.push_back(peer);
      return &requests.emplace_back(MPI_REQUEST_NULL);
    };
    for (int i = 1; i < size(); ++i) {  // each rank begins with another
      const int from = (rank() + size() - i) % size();
      const Bytes received = in[static_cast<std::size_t>(from)];
      if (received.empty()) continue;
      MPI_Irecv(received.data(), static_cast<int>(received.size()), MPI_BYTE, from, kTag, MPI_COMM_WORLD, note(from));
    }
    for (int i = 1; i < size(); ++i) {
      const int to = (rank() + i) % size();
      const ConstBytes sent = out[static_cast<std::size_t>(to)];
      if (sent.empty()) continue;
      MPI_Isend(sent.data(), static_cast<int>(sent.size()), MPI_BYTE, to, kTag, MPI_COMM_WORLD, note(to));
    }
    wait(requests, peers);
  }

  /// Waits for the messages without taking a core from those that compute. Where this process was suspended between two
  /// tries, for which the other ranks usually were too, that counts as a tenth of a second at most.
  void wait(std::vector<MPI_Request>& requests, const std::vector<int>& peers) {
    constexpr int kTries = 20;  // before it sleeps between two
    constexpr std::chrono::microseconds kNap{20};
    constexpr double kLongestTrySeconds = 0.1;
    Stopwatch since_last_try;
    double waited_seconds = 0;
    for (int tries = 0;; ++tries) {
      int are_done = 0;
      MPI_Testall(static_cast<int>(requests.size()), requests.data(), &are_done, MPI_STATUSES_IGNORE);
      if (are_done != 0) return;
      waited_seconds += std::min(std::exchange(since_last_try, Stopwatch()).seconds(), kLongestTrySeconds);
      if (waited_seconds > timeout()) fail_if_silent(requests, peers);
      if (tries >= kTries) {
        std::this_thread::sleep_for(kNap);
      } else {
        std::this_thread::yield();
      }
    }
  }

  void fail_if_silent(std::vector<MPI_Request>& requests, const std::vector<int>& peers) {
    std::vector<int> silent;
    for (std::size_t i = 0; i < requests.size(); ++i) {
      int is_done = 0;
      if (requests[i] != MPI_REQUEST_NULL) MPI_Test(&requests[i], &is_done, MPI_STATUS_IGNORE);
      if (requests[i] != MPI_REQUEST_NULL) silent.push_back(peers[i]);
    }
    if (silent.empty()) return;  // the last message has come just now
    is_lost_ = true;
    std::ranges::sort(silent);
    silent.erase(std::unique(silent.begin(), silent.end()), silent.end());  // clang 14 knows no ranges::unique
    fail(ExitCode::peer,
         "has waited {:.0f} s for rank {} (distributed.timeout): that process hangs, or its machine is out of reach; "
         "the "
         "last checkpoint is whole, and --resume continues from it",
         timeout(), fmt::join(silent, ", "));
  }

  bool is_lost_ = false;  // because a rank has not answered: messages from now on would only wait as long again
};

}  // namespace

World& join_world() {
  if (find_launch().size == 1) return World::alone();
  static MpiWorld& world = *new MpiWorld;  // lives as long as the process
  static const int registered = std::atexit([] { world.finish(); });
  static_cast<void>(registered);
  return world;
}
#else
World& join_world() {
  check(find_launch().size == 1,
        "a launcher has started {} processes, and this kiln was built without MPI, so that they cannot train together; "
        "install mpi-default-dev and build it again",
        find_launch().size);
  return World::alone();
}
#endif

}  // namespace kiln
