// What a step takes from the heap: nothing of a size that grows with the model.
#include "kiln/core/threads.h"
#include "kiln/nn/init.h"
#include "kiln/nn/language_model.h"
#include "kiln/train/train_step.h"

#include <gtest/gtest.h>

#include "support/sanitized.h"
#include <atomic>
#include <cstdlib>

#if !KILN_SANITIZED && defined(__GLIBC__)
namespace {

std::atomic<bool> counting{false};
std::atomic<std::size_t> largest{0};

std::size_t counted(std::size_t size) {
  if (counting && size > largest) largest = size;
  return size;
}

}  // namespace

// glibc's own, by the names that are left to those who stand in for it; memory from either is freed by its free().
extern "C" {
// NOLINTBEGIN(bugprone-reserved-identifier): the names are glibc's
void* __libc_malloc(std::size_t size);
void* __libc_calloc(std::size_t count, std::size_t size);
void* __libc_realloc(void* memory, std::size_t size);
void* __libc_memalign(std::size_t alignment, std::size_t size);
// NOLINTEND(bugprone-reserved-identifier)

void* malloc(std::size_t size) noexcept { return __libc_malloc(counted(size)); }
void* calloc(std::size_t count, std::size_t size) noexcept {
  counted(count * size);
  return __libc_calloc(count, size);
}
void* realloc(void* memory, std::size_t size) noexcept { return __libc_realloc(memory, counted(size)); }
void* aligned_alloc(std::size_t alignment, std::size_t size) noexcept {
  return __libc_memalign(alignment, counted(size));
}
}

namespace kiln {
namespace {

struct Case {
  const char* name;
  OptimizerKind optimizer;
  Precision precision;
  Recompute recompute;
  bool modern;
};

// The smallest activation here is of 4 * 16 * 32 elements.
TEST(Allocation, AStepTakesNothingButSmallChange) {
  set_threads(1);  // of two, one may have no share of the work before a later step, and take its scratch only then
  for (const Case& c : {Case{"adamw", OptimizerKind::adamw, Precision::fp32, Recompute::none, false},
                        Case{"muon", OptimizerKind::muon, Precision::fp32, Recompute::block, true},
                        Case{"bf16", OptimizerKind::muon, Precision::bf16, Recompute::mlp, true}}) {
    Config config;
    config.model.n_layers = 2;
    config.model.d_model = 32;
    config.model.n_heads = 2;
    config.model.n_ctx = 16;
    if (c.modern) {
      config.model.activation = Activation::swiglu;
      config.model.norm = NormKind::rmsnorm;
      config.model.position = PositionKind::rope;
      config.model.qk_norm = true;
      config.model.dropout = 0.1;
    }
    config.model.resolve();
    config.train.batch_size.count = 4;
    config.train.precision = c.precision;
    config.train.recompute = c.recompute;
    config.optimizer.type = c.optimizer;
    constexpr Index kVocabSize = 20;
    const LanguageModel<float> model(config.model, kVocabSize);
    ParameterBuffer<float> masters(model.layout);
    ParameterBuffer<bfloat16> rounded(model.layout);
    initialise(config.model, 1, masters);
    const Weights weights(masters, rounded);
    weights.round();
    TokenFileBuilder builder(kVocabSize);
    builder.append(std::vector<std::int32_t>(1000, 3));
    Batcher batcher(TokenFile(builder.finish(), "test"), 16, DataOrder::random, 1);
    const BatchSizes sizes = batch_sizes(config, batcher.windows_per_epoch());
    WindowBatches batches(std::move(batcher), sizes);
    TrainStep train_step(config, model.layout, kVocabSize, training_runner(config, sizes));
    train_step.run(weights, batches, {});  // the first makes the matrix products
    largest = 0;
    counting = true;
    for (Index step = 1; step < 4; ++step) train_step.run(weights, batches, {.step = step, .updates = step});
    counting = false;
    EXPECT_LT(largest, 1024u) << c.name;
  }
}

}  // namespace
}  // namespace kiln
#endif
