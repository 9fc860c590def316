// What a step takes from the heap: nothing of a size that grows with the model.
#include "kiln/core/threads.h"
#include "kiln/nn/init.h"
#include "kiln/nn/language_model.h"
#include "kiln/train/stepper.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <new>

namespace {

std::atomic<bool> counting{false};
std::atomic<std::size_t> largest{0};

void* counted(std::size_t size) {
  if (counting && size > largest) largest = size;
  if (void* memory = std::malloc(std::max<std::size_t>(size, 1))) return memory;
  throw std::bad_alloc();
}

}  // namespace

void* operator new(std::size_t size) { return counted(size); }
void* operator new[](std::size_t size) { return counted(size); }
void* operator new(std::size_t size, const std::nothrow_t&) noexcept { return std::malloc(size); }
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept { return std::malloc(size); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }

namespace kiln {
namespace {

// oneDNN's bookkeeping of a call takes some small blocks; the smallest activation here is of 4 * 16 * 32 floats.
TEST(Allocation, AStepTakesNothingButSmallChange) {
  set_threads(2);
  for (const OptimizerKind kind : {OptimizerKind::adamw, OptimizerKind::muon}) {
    Config config;
    config.model.n_layers = 2;
    config.model.d_model = 32;
    config.model.n_heads = 2;
    config.model.n_ctx = 16;
    config.model.resolve();
    config.train.batch_size.count = 4;
    config.optimizer.type = kind;
    constexpr Index kVocabSize = 20;
    const LanguageModel<float> model(config.model, kVocabSize);
    ParameterBuffer<float> weights(model.layout);
    initialise(config.model, 1, weights);
    TokenFileBuilder builder(kVocabSize);
    builder.append(std::vector<std::int32_t>(1000, 3));
    Batcher batcher(TokenFile(builder.finish(), "test"), 16, DataOrder::random, 1);
    Stepper stepper(config, model.layout, kVocabSize, BatchSizes::of(config, batcher.windows_per_epoch()));
    stepper.run(weights, batcher, {});  // the first makes the matrix products
    largest = 0;
    counting = true;
    for (Index step = 1; step < 4; ++step) stepper.run(weights, batcher, {.step = step, .updates = step});
    counting = false;
    EXPECT_LT(largest, 1024u) << names_of(kind)[static_cast<std::size_t>(kind)];
  }
}

}  // namespace
}  // namespace kiln
