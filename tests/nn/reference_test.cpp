// Logits, loss and every gradient of whole models against PyTorch's (tests/reference).
#include "support/reference.h"

#include "kiln/nn/runner.h"

#include "support/gradient.h"
#include "support/sequences.h"
#include <numeric>
#include <span>
#include <vector>

namespace kiln {
namespace {

using testing::distance;
using testing::ReferenceModel;
using testing::Tensor;

/// One reference model in type T: a forward and a backward, compared within `tolerance`.
template <class T>
void expect_agreement(const std::string& name, double tolerance) {
  SCOPED_TRACE(name);
  ReferenceModel<T> reference(name);
  const SafetensorsFile& file = reference.file;
  const LanguageModel<T>& model = reference.model;
  Gradients<Acc<T>> gradients(model.layout);
  const auto inputs = testing::read_tokens(file, "input_ids"), targets = testing::read_tokens(file, "targets");
  const Index B = file.find("input_ids")->shape[0], N = static_cast<Index>(inputs.size()), V = model.vocab_size();

  const auto runner = make_runner<T>(model.config(), V, {.rows = N, .scored = N, .backward = Recompute::none});
  Tensor<Acc<T>> logits(N, V), losses(1, N), d_losses(1, N, Acc<T>(1) / static_cast<Acc<T>>(N));
  const TokenRows rows = testing::equal_rows(inputs, B);
  const std::vector<Index> scored = testing::all_rows(N);
  runner->forward(reference.weights, rows);
  runner->logits(scored, logits.m());
  EXPECT_LT(distance(logits.data.data(), file.read<double>("logits"), 1e-6), tolerance);

  runner->backward({scored, targets}, d_losses.cv(), losses.v(), gradients);
  EXPECT_NEAR(static_cast<double>(losses.data.mean()), file.read<double>("loss")[0], tolerance);
  for (const Parameter& p : model.layout.parameters()) {
    constexpr double kFloor =
        1e-2;  // a tensor of gradients this small (a key bias without rope) is compared absolutely
    EXPECT_LT(distance(gradients.vec(p.id).data(), file.read<double>("grad." + p.name), kFloor), tolerance) << p.name;
  }
}

/// A batch of sequences laid end to end, some of whose rows are scored, with weights.
template <class T>
void expect_packed_agreement(const std::string& name, double tolerance) {
  SCOPED_TRACE(name);
  ReferenceModel<T> reference(name);
  const SafetensorsFile& file = reference.file;
  const LanguageModel<T>& model = reference.model;
  const auto inputs = testing::read_tokens(file, "input_ids"), targets = testing::read_tokens(file, "targets");
  const std::vector<Index> scored = file.read<Index>("scored");
  const std::vector<double> row_weights = file.read<double>("row_weights");
  TokenRows rows;
  std::size_t first = 0;
  for (const std::size_t length : reference.description.at("lengths").template get<std::vector<std::size_t>>()) {
    rows.append(std::span(inputs).subspan(first, length));
    first += length;
  }
  ASSERT_EQ(first, inputs.size());
  rows.round_up(kRowMultiple);  // as batches of conversations are

  const Index N = rows.size(), M = std::ssize(scored), V = model.vocab_size();
  const auto runner = make_runner<T>(model.config(), V, {.rows = N, .scored = N, .backward = Recompute::none});
  runner->forward(reference.weights, rows);
  Tensor<Acc<T>> logits(std::ssize(inputs), V), losses(1, M), d_losses(1, M);
  runner->logits(testing::all_rows(std::ssize(inputs)), logits.m());
  EXPECT_LT(distance(logits.data.data(), file.read<double>("logits"), 1e-6), tolerance);

  const double weight = std::accumulate(row_weights.begin(), row_weights.end(), 0.0);
  for (std::size_t m = 0; m < row_weights.size(); ++m)
    d_losses.data(0, static_cast<Index>(m)) = static_cast<Acc<T>>(row_weights[m] / weight);
  Gradients<Acc<T>> gradients(model.layout);
  runner->backward({scored, targets}, d_losses.cv(), losses.v(), gradients);
  EXPECT_NEAR(static_cast<double>(losses.data.cwiseProduct(d_losses.data).sum()), file.read<double>("loss")[0],
              tolerance);
  for (const Parameter& p : model.layout.parameters()) {
    constexpr double kFloor = 1e-2;
    EXPECT_LT(distance(gradients.vec(p.id).data(), file.read<double>("grad." + p.name), kFloor), tolerance) << p.name;
  }
}

TEST(Reference, PackedMaskedAndWeightedBatchesAgreeWithPyTorch) {
  for (const char* name : {"packed_gpt2", "packed_llama"}) {
    expect_packed_agreement<float>(name, 1e-5);
    expect_packed_agreement<double>(name, 2e-7);
    expect_packed_agreement<bfloat16>(name, 0.05);
  }
}

TEST(Reference, FloatAgreesWithPyTorchInLogitsLossAndEveryGradient) {
  for (const char* name : {"gpt2", "llama", "modern", "alibi"}) expect_agreement<float>(name, 1e-5);
}

TEST(Reference, DoubleAgreesWithPyTorchToTheFixturesLastBit) {
  for (const char* name : {"gpt2", "llama", "modern", "alibi"}) expect_agreement<double>(name, 2e-7);
}

TEST(Reference, Bfloat16StaysWithinItsEightBits) {
  // Each of some ten roundings on the way to a gradient is off by at most 2^-9 relative; they add like a random walk.
  for (const char* name : {"gpt2", "llama", "modern", "alibi"}) expect_agreement<bfloat16>(name, 0.05);
}

}  // namespace
}  // namespace kiln
