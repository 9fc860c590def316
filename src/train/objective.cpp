// The next-token objective: the head, every position weighing the same.
#include "kiln/train/objective.h"

namespace kiln {

void NextTokenObjective::lay_out(Arena& arena, Index B, Index T) {
  memory_.clear();
  memory_.push_back({head_.lay_out(arena, B * T), arena.vector<float>(B * T), arena.vector<float>(B * T)});
}

double NextTokenObjective::forward_backward(const ParameterBuffer<float>& weights, const Batch& batch, double scale,
                                            ConstMat<float> hidden, Mat<float> d_hidden,
                                            ParameterBuffer<float>& gradients) {
  Memory& m = memory_.front();
  m.position_weights.setConstant(static_cast<float>(scale));
  head_.forward_backward(weights, hidden, batch.targets, as_const(m.position_weights), m.head, m.losses, d_hidden,
                         gradients);
  return scale * m.losses.cast<double>().sum();
}

}  // namespace kiln
