// Uses one thread per save, which only writes to the disk: results do not depend on how many threads compute.
#include "kiln/run/checkpoint_writer.h"

#include "kiln/core/report.h"
#include "kiln/core/threads.h"
#include "kiln/run/checkpoint_store.h"

#include <algorithm>
#include <cassert>
#include <chrono>
#include <system_error>
#include <utility>

namespace kiln {
namespace {

constexpr std::int64_t kGrain = std::int64_t{1} << 18;  // floats; less is not worth waking a thread

/// Returns a buffer whose pages are already allocated: if the first copy had to, a slow host would delay a step by
/// seconds.
ParameterBuffer<float> touched_buffer(const ParameterLayout& layout) {
  ParameterBuffer<float> buffer(layout);
  parallel_for(layout.extent(), kGrain, [&](std::int64_t begin, std::int64_t end) {
    std::fill(buffer.data() + begin, buffer.data() + end, 0.0F);
  });
  return buffer;
}

/// Copies the parameters of `to`, all of `from`'s or some.
void copy(const ParameterBuffer<float>& from, ParameterBuffer<float>& to) {
  for (const Parameter& p : to.layout().parameters()) {
    const float* source = from.vec(p.id).data();
    float* target = to.vec(p.id).data();
    parallel_for(p.size(), kGrain, [&](std::int64_t begin, std::int64_t end) {
      std::copy(source + begin, source + end, target + begin);
    });
  }
}

}  // namespace

CheckpointCopy::CheckpointCopy(const ParameterLayout& weights, std::span<const OptimizerSlot> state)
    : weights_(touched_buffer(weights)) {
  for (const OptimizerSlot& slot : state) moments_.push_back(touched_buffer(slot.buffer->layout()));
}

CheckpointContents CheckpointCopy::take(const CheckpointContents& contents) {
  assert(contents.optimizer.size() == moments_.size());
  copy(contents.weights, weights_);
  std::vector<OptimizerSlot> slots = contents.optimizer;
  for (std::size_t i = 0; i < slots.size(); ++i) {
    copy(*slots[i].buffer, moments_[i]);
    slots[i].buffer = &moments_[i];
  }
  return {contents.config,    contents.vocab_size, weights_,      std::move(slots),
          contents.tokenizer, contents.state,      contents.base, contents.rollout};
}

CheckpointWriter::CheckpointWriter(std::filesystem::path checkpoints, std::int64_t keep, Clock clock,
                                   std::optional<CheckpointCopy> copy)
    : checkpoints_(std::move(checkpoints)), keep_(keep), clock_(std::move(clock)), copy_(std::move(copy)) {}

CheckpointWriter::~CheckpointWriter() {
  try {
    wait();
  } catch (const std::exception& error) {
    warn("{}", error.what());
  }
}

double CheckpointWriter::write(const CheckpointContents& contents, bool is_best) const {
  const double begun = clock_();
  save_checkpoint(checkpoints_, contents, is_best, keep_);
  return clock_() - begun;
}

std::optional<double> CheckpointWriter::save(const CheckpointContents& contents, bool is_best, Await await) {
  assert(!at_work_.valid());
  if (await == Await::yes || !copy_) return write(contents, is_best);
  try {
    at_work_ = std::async(std::launch::async, [this, copied = copy_->take(contents), is_best] {
      Work::detach_this_thread();
      let_others_go_first();
      return write(copied, is_best);
    });
    return std::nullopt;
  } catch (const std::system_error&) {  // no thread is available: write from this one
    return write(contents, is_best);
  }
}

std::optional<double> CheckpointWriter::poll() {
  const bool is_over = at_work_.valid() && at_work_.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
  return is_over ? std::optional(at_work_.get()) : std::nullopt;
}

std::optional<double> CheckpointWriter::wait() {
  return at_work_.valid() ? std::optional(at_work_.get()) : std::nullopt;
}

}  // namespace kiln
