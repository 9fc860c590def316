// A world whose ranks are threads of the test.
#pragma once

#include "kiln/core/world.h"

#include <algorithm>
#include <barrier>
#include <exception>
#include <functional>
#include <memory>
#include <stdexcept>
#include <thread>
#include <vector>

namespace kiln::testing {

/// Where the ranks of one world meet.
class MeetingPlace {
 public:
  explicit MeetingPlace(int size) : sent_(static_cast<std::size_t>(size)), all_are_here_(size) {}

  /// Copies what the others send to `rank`, once all have come.
  void meet(int rank, std::span<const World::ConstBytes> out, std::span<const World::Bytes> in) {
    sent_[static_cast<std::size_t>(rank)] = out;
    all_are_here_.arrive_and_wait();
    bool fits = true;
    for (std::size_t from = 0; from < sent_.size(); ++from) {
      if (from == static_cast<std::size_t>(rank)) continue;
      const World::ConstBytes sent = sent_[from][static_cast<std::size_t>(rank)];
      fits = fits && sent.size() == in[from].size();
      if (fits) std::ranges::copy(sent, in[from].begin());
    }
    all_are_here_.arrive_and_wait();
    if (!fits) throw std::logic_error("a rank sends another size than is expected");
  }

 private:
  std::vector<std::span<const World::ConstBytes>> sent_;  // by rank
  std::barrier<> all_are_here_;
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

/// Calls `body` as each of `size` ranks, each in a thread of its own, and waits for all. Throws the first exception.
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
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const std::exception_ptr& error : errors) {
    if (error) std::rethrow_exception(error);
  }
}

}  // namespace kiln::testing
