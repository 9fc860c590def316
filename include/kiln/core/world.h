// Joins the processes that train one model together. A process by itself is a world of one.
#pragma once

#include "kiln/core/work_thread.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <future>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <thread>
#include <vector>

namespace kiln {

/// The processes that train one model together. They are called ranks and are numbered from 0, which is the root.
///
/// All ranks must make the same calls in the same order: from one thread, or from work given to `later`. A call ends
/// when the other ranks have made it too. It throws Error (peer), which names the ranks that did not answer in time.
/// All ranks must store numbers alike.
class World {
 public:
  using Bytes = std::span<std::byte>;
  using ConstBytes = std::span<const std::byte>;
  using Bounds = std::span<const std::int64_t>;

  virtual ~World() = default;  // drops what was given to `later` and has not begun
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  /// Returns the world of one process.
  static World& alone();

  int rank() const { return rank_; }
  int size() const { return size_; }
  bool is_root() const { return rank_ == 0; }

  /// Sends out[r] to each other rank r, and receives in[r] from it. The size of in[r] must be that of out[rank()]
  /// there; where it is 0, nothing is sent. Both have size() elements; those of this rank itself are not used.
  void exchange(std::span<const ConstBytes> out, std::span<const Bytes> in);

  /// Waits for all ranks.
  void barrier();

  /// Gives every rank the root's bytes.
  void broadcast(Bytes data);
  /// Returns the root's value.
  template <class T>
  T of_root(T value) {
    broadcast(std::as_writable_bytes(std::span(&value, 1)));
    return value;
  }

  /// Returns each rank's value, in their order.
  template <class T>
  std::vector<T> gather(const T& own) {
    std::vector<T> all(static_cast<std::size_t>(size_));
    all[static_cast<std::size_t>(rank_)] = own;
    gather_pieces(std::as_writable_bytes(std::span(all)), sizeof(T));
    return all;
  }
  /// Returns each rank's values one after the other, as many of each.
  template <class T>
  std::vector<T> gather(std::span<const T> own) {
    std::vector<T> all(own.size() * static_cast<std::size_t>(size_));
    std::ranges::copy(own, all.begin() + std::ssize(own) * rank_);
    gather_pieces(std::as_writable_bytes(std::span(all)), own.size_bytes());
    return all;
  }
  /// Returns the values of all ranks, one rank's after the other's. Each may have another number of them.
  template <class T>
  std::vector<T> gather_all(const std::vector<T>& own) {
    std::vector<std::int64_t> bounds{0};
    for (const std::int64_t size : gather(std::ssize(own))) bounds.push_back(bounds.back() + size);
    std::vector<T> all(static_cast<std::size_t>(bounds.back()));
    std::ranges::copy(own, all.begin() + bounds[static_cast<std::size_t>(rank_)]);
    all_gather(std::span<T>(all), bounds);
    return all;
  }
  /// Returns true if `here` is true on any rank.
  bool any(bool here);

  /// Sends the piece of `data` that each rank has to all others. Rank r has the elements from bounds[r] to
  /// bounds[r + 1]; there are size() + 1 bounds.
  template <class T>
  void all_gather(std::span<T> data, Bounds bounds) {
    all_gather_bytes(std::as_writable_bytes(data), bounds, sizeof(T));
  }

  /// Sends the piece `own` of each rank but the root to the root, which puts it into `all`, at the bounds of that rank
  /// (see all_gather). The other ranks have no `all`.
  void collect(std::span<const float> own, std::span<float> all, Bounds bounds);

  /// Adds up `data` over all ranks, each its own piece (see all_gather), in the order of tree_sum. So the order depends
  /// on the number of ranks alone. The other pieces stay as they are.
  void reduce_scatter(std::span<float> data, Bounds bounds);

  /// Does `work` on another thread, after all work and calls that came before. The future throws what the work throws.
  std::future<void> later(std::function<void()> work);

  /// Sets how long a rank waits for the others; at first without end, since the root may take long to read a text.
  void set_timeout(double seconds) { timeout_ = seconds; }
  double timeout() const { return timeout_; }

  /// Ends all ranks at once, with this exit code.
  [[noreturn]] virtual void abort(int code) = 0;

 protected:
  World() = default;

  /// Implements exchange, between at least two ranks. All calls come from the thread of on_thread.
  virtual void do_exchange(std::span<const ConstBytes> out, std::span<const Bytes> in) = 0;

  /// Starts the thread that exchanges.
  void start_thread();
  /// Does `work` on it, or on the calling one if it was not started, and waits for the end.
  void on_thread(std::function<void()> work);

  void set_place(int rank, int size) {
    rank_ = rank;
    size_ = size;
  }

 private:
  void gather_pieces(Bytes all, std::size_t size);
  void all_gather_bytes(Bytes data, Bounds bounds, std::int64_t element);

  int rank_ = 0, size_ = 1;
  double timeout_ = std::numeric_limits<double>::infinity();
  std::vector<float> received_;  // by reduce_scatter
  std::thread::id thread_id_;
  std::unique_ptr<WorkThread> thread_;
};

/// Calls add(i, j) so that element j of `count` is added to element i: first to each its neighbour, then to each pair
/// the next pair, and so on, until element 0 holds the sum. For a power of two it is a balanced binary tree.
template <class Add>
void add_as_tree(std::size_t count, Add&& add) {
  for (std::size_t step = 1; step < count; step *= 2) {
    for (std::size_t i = 0; i + step < count; i += 2 * step) add(i, i + step);
  }
}

/// Returns the sum of at least one value, added as a tree.
template <class T>
T tree_sum(std::vector<T> values) {
  add_as_tree(values.size(), [&](std::size_t i, std::size_t j) { values[i] += values[j]; });
  return values.front();
}

/// What a launcher (mpirun, srun) says of this process and those that it has started together with it.
struct Launch {
  int rank = 0, size = 1;
};

/// Reads that from the environment. Returns one process if no launcher says more.
Launch find_launch();

/// Returns what messages of this process begin with: "rank 2: " if a launcher started several processes, else "".
std::string rank_prefix();

/// Returns the world of this process: World::alone(), or if a launcher started several, theirs, joined by MPI. The
/// first call joins it; call it before other threads start. Throws Error (usage) if kiln was built without MPI.
World& join_world();

}  // namespace kiln
