// A world whose ranks are threads of the test.
#pragma once

#include "kiln/core/world.h"

#include <algorithm>
#include <condition_variable>
#include <exception>
#include <functional>
#include <mutex>
#include <span>
#include <stdexcept>
#include <thread>
#include <vector>

namespace kiln::testing {

struct OtherRankFailed : std::runtime_error {
  using runtime_error::runtime_error;
};

/// Where the ranks of one world meet.
class MeetingPlace {
 public:
  explicit MeetingPlace(int size) : sent_(static_cast<std::size_t>(size)) {}

  /// Copies what the others send to `rank`, once all have come. Throws if one never will.
  void meet(int rank, std::span<const World::ConstBytes> out, std::span<const World::Bytes> in) {
    sent_[static_cast<std::size_t>(rank)] = out;
    wait_for_all();
    bool fits = true;
    for (std::size_t from = 0; from < sent_.size(); ++from) {
      if (from == static_cast<std::size_t>(rank)) continue;
      const World::ConstBytes sent = sent_[from][static_cast<std::size_t>(rank)];
      fits = fits && sent.size() == in[from].size();
      if (fits) std::ranges::copy(sent, in[from].begin());
    }
    wait_for_all();
    if (!fits) throw std::logic_error("a rank sends another size than is expected");
  }

  /// Says that a rank has ended. The others can no longer meet.
  void leave() {
    const std::lock_guard lock(mutex_);
    is_left_ = true;
    news_.notify_all();
  }

 private:
  void wait_for_all() {
    std::unique_lock lock(mutex_);
    const std::size_t meeting = meetings_;
    if (is_left_) fail_left();
    if (++here_ == sent_.size()) {
      here_ = 0;
      ++meetings_;
      news_.notify_all();
    }
    news_.wait(lock, [&] { return meetings_ != meeting || is_left_; });
    if (meetings_ == meeting) fail_left();
  }
  [[noreturn]] static void fail_left() { throw OtherRankFailed("another rank has ended"); }

  std::vector<std::span<const World::ConstBytes>> sent_;  // by rank
  std::mutex mutex_;
  std::condition_variable news_;
  std::size_t here_ = 0, meetings_ = 0;
  bool is_left_ = false;
};

class ThreadWorld final : public World {
 public:
  ThreadWorld(int rank, int size, MeetingPlace& place) : place_(place) {
    set_place(rank, size);
    if (size > 1) start_thread();
  }

  [[noreturn]] void abort(int) override { std::terminate(); }

 private:
  void do_exchange(std::span<const ConstBytes> out, std::span<const Bytes> in) override {
    place_.meet(rank(), out, in);
  }

  MeetingPlace& place_;
};

/// Calls `body` as each of `size` ranks, each in a thread of its own, and waits for all. Throws the exception of the
/// lowest rank that failed by itself. A rank that waits for one that has ended fails too.
inline void as_ranks(int size, const std::function<void(World& world)>& body) {
  MeetingPlace place(size);
  std::vector<std::exception_ptr> errors(static_cast<std::size_t>(size));
  std::vector<std::thread> threads;
  for (int rank = 0; rank < size; ++rank) {
    threads.emplace_back([&, rank] {
      try {
        ThreadWorld world(rank, size, place);
        body(world);
      } catch (...) {
        errors[static_cast<std::size_t>(rank)] = std::current_exception();
      }
      place.leave();
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const bool by_itself : {true, false}) {
    for (const std::exception_ptr& error : errors) {
      try {
        if (error) std::rethrow_exception(error);
      } catch (const OtherRankFailed&) {
        if (!by_itself) throw;
      }
    }
  }
}

}  // namespace kiln::testing
