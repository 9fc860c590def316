// Builds the operations on all ranks from one exchange of messages.
#include "kiln/core/world.h"

#include "kiln/core/error.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <cstdlib>
#include <memory>
#include <utility>

namespace kiln {
namespace {

constexpr std::int64_t kMessageBytes = std::int64_t{1} << 24;  // that a rank receives at a time, of all others together
constexpr std::size_t kSmall = 1 << 16;                        // bytes, which the root sends to each rank itself

class Alone final : public World {
 public:
  [[noreturn]] void abort(int code) override { std::_Exit(code); }

 private:
  void do_exchange(std::span<const ConstBytes>, std::span<const Bytes>) override {}
};

/// a += b
void add(std::span<float> a, std::span<const float> b) {
  assert(a.size() == b.size());
  float* __restrict to = a.data();
  const float* __restrict from = b.data();
  for (std::size_t i = 0; i < a.size(); ++i) to[i] += from[i];
}

std::int64_t longest_piece(World::Bounds bounds) {
  std::int64_t longest = 0;
  for (std::size_t r = 1; r < bounds.size(); ++r) longest = std::max(longest, bounds[r] - bounds[r - 1]);
  return longest;
}

/// Returns the part of piece r from element `begin` of the piece on, of at most `count` elements.
template <class T>
std::span<T> part_of_piece(std::span<T> data, World::Bounds bounds, std::size_t r, std::int64_t begin,
                           std::int64_t count) {
  const std::int64_t from = std::min(bounds[r] + begin, bounds[r + 1]), to = std::min(from + count, bounds[r + 1]);
  return data.subspan(static_cast<std::size_t>(from), static_cast<std::size_t>(to - from));
}

}  // namespace

World& World::alone() {
  static Alone alone;
  return alone;
}

void World::start_thread() {
  thread_ = std::make_unique<WorkThread>();
  later([this] { thread_id_ = std::this_thread::get_id(); }).get();
}

void World::on_thread(std::function<void()> work) {
  if (!thread_ || std::this_thread::get_id() == thread_id_) return work();
  later(std::move(work)).get();
}

std::future<void> World::later(std::function<void()> work) {
  const auto task = std::make_shared<std::packaged_task<void()>>(std::move(work));
  std::future<void> done = task->get_future();
  if (thread_) {
    thread_->post([task] { (*task)(); });
  } else {
    (*task)();
  }
  return done;
}

void World::exchange(std::span<const ConstBytes> out, std::span<const Bytes> in) {
  assert(std::ssize(out) == size_ && std::ssize(in) == size_);
  if (size_ == 1) return;
  on_thread([&] { do_exchange(out, in); });
}

void World::gather_pieces(Bytes all, std::size_t size) {
  std::vector<ConstBytes> out(static_cast<std::size_t>(size_),
                              all.subspan(static_cast<std::size_t>(rank_) * size, size));
  std::vector<Bytes> in;
  for (std::size_t r = 0; r < out.size(); ++r) in.push_back(all.subspan(r * size, size));
  exchange(out, in);
}

void World::barrier() { gather(char{0}); }

bool World::any(bool here) {
  const std::vector<char> all = gather(static_cast<char>(here));
  return std::ranges::any_of(all, [](char there) { return there != 0; });
}

void World::broadcast(Bytes data) {
  if (size_ == 1) return;
  const auto ranks = static_cast<std::size_t>(size_);
  const auto piece = static_cast<std::int64_t>((data.size() + ranks - 1) / ranks);
  std::vector<std::int64_t> bounds;
  for (int r = 0; r <= size_; ++r) bounds.push_back(std::min(r * piece, std::ssize(data)));
  const bool is_small = data.size() <= kSmall;
  // Large data is scattered first, so that the root does not send all of it to each rank.
  const std::int64_t step = is_small ? piece : kMessageBytes / size_;
  for (std::int64_t begin = 0; begin < piece; begin += step) {
    std::vector<ConstBytes> out(ranks);
    std::vector<Bytes> in(ranks);
    for (std::size_t r = 0; is_root() && r < ranks; ++r) {
      out[r] = is_small ? ConstBytes(data) : part_of_piece(data, bounds, r, begin, step);
    }
    if (!is_root()) {
      in[0] = is_small ? data : part_of_piece(data, bounds, static_cast<std::size_t>(rank_), begin, step);
    }
    exchange(out, in);
  }
  if (!is_small) all_gather_bytes(data, bounds, 1);
}

/// Bounds count elements of so many bytes.
void World::all_gather_bytes(Bytes data, Bounds bounds, std::int64_t element) {
  assert(std::ssize(bounds) == size_ + 1);
  if (size_ == 1) return;
  std::vector<std::int64_t> bytes(bounds.begin(), bounds.end());
  for (std::int64_t& bound : bytes) bound *= element;
  const auto ranks = static_cast<std::size_t>(size_), own = static_cast<std::size_t>(rank_);
  const std::int64_t step = kMessageBytes / size_, longest = longest_piece(bytes);
  for (std::int64_t begin = 0; begin < longest; begin += step) {
    std::vector<ConstBytes> out(ranks, part_of_piece(data, bytes, own, begin, step));
    std::vector<Bytes> in(ranks);
    for (std::size_t r = 0; r < ranks; ++r) in[r] = part_of_piece(data, bytes, r, begin, step);
    exchange(out, in);
  }
}

void World::collect(std::span<const float> own, std::span<float> all, Bounds bounds) {
  assert(std::ssize(bounds) == size_ + 1);
  const auto ranks = static_cast<std::size_t>(size_);
  const std::vector<std::int64_t> alone{0, std::ssize(own)};
  const std::int64_t step = kMessageBytes / size_ / static_cast<std::int64_t>(sizeof(float));
  for (std::int64_t begin = 0, longest = longest_piece(bounds); begin < longest; begin += step) {
    std::vector<ConstBytes> out(ranks);
    std::vector<Bytes> in(ranks);
    if (!is_root()) out[0] = std::as_bytes(part_of_piece(own, alone, 0, begin, step));
    for (std::size_t r = 0; is_root() && r < ranks; ++r) {
      in[r] = std::as_writable_bytes(part_of_piece(all, bounds, r, begin, step));
    }
    exchange(out, in);
  }
}

void World::reduce_scatter(std::span<float> data, Bounds bounds) {
  assert(std::ssize(bounds) == size_ + 1);
  if (size_ == 1) return;
  const auto ranks = static_cast<std::size_t>(size_), own = static_cast<std::size_t>(rank_);
  const std::int64_t step = kMessageBytes / size_ / static_cast<std::int64_t>(sizeof(float));
  received_.resize(ranks * static_cast<std::size_t>(std::min(step, longest_piece(bounds))));
  for (std::int64_t begin = 0, longest = longest_piece(bounds); begin < longest; begin += step) {
    const std::span<float> mine = part_of_piece(data, bounds, own, begin, step);
    std::vector<ConstBytes> out(ranks);
    std::vector<Bytes> in(ranks);
    std::vector<std::span<float>> parts(ranks, mine);
    for (std::size_t r = 0; r < ranks; ++r) {
      out[r] = std::as_bytes(part_of_piece(data, bounds, r, begin, step));
      if (r != own) parts[r] = std::span(received_).subspan(r * mine.size(), mine.size());
      in[r] = std::as_writable_bytes(parts[r]);
    }
    exchange(out, in);
    add_as_tree(parts.size(), [&](std::size_t i, std::size_t j) { add(parts[i], parts[j]); });
    if (own != 0) std::ranges::copy(parts.front(), mine.begin());
  }
}

Launch find_launch() {
  struct Names {
    const char *rank, *size;
  };
  // Set by Open MPI, by MPICH and what descends from it, and by Slurm for each job step.
  for (const Names& names : {Names{"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"}, Names{"PMI_RANK", "PMI_SIZE"},
                             Names{"SLURM_PROCID", "SLURM_STEP_NUM_TASKS"}}) {
    const char *rank = std::getenv(names.rank), *size = std::getenv(names.size);
    const int count = size == nullptr ? 1 : std::atoi(size);
    if (count > 1) return {rank == nullptr ? 0 : std::atoi(rank), count};
  }
  return {};
}

std::string rank_prefix() {
  const Launch launch = find_launch();
  return launch.size == 1 ? "" : fmt::format("rank {}: ", launch.rank);
}

}  // namespace kiln
