// The next-token objective: the head, every position weighing the same.
#include "kiln/train/objective.h"

namespace kiln {

template <class T>
void NextTokenObjective<T>::lay_out(Arena& arena, Index N) {
  memory_.emplace(Memory{head_.lay_out(arena, N), arena.vector<Acc<T>>(N), arena.vector<Acc<T>>(N)});
}

template <class T>
double NextTokenObjective<T>::forward_backward(const ParameterBuffer<T>& weights, const Batch& batch, double scale,
                                               Mat<T> hidden, Gradients<Acc<T>>& gradients) {
  Memory& m = *memory_;
  const Vec<Acc<T>> losses(m.losses.data(), hidden.rows());
  m.position_weights.setConstant(static_cast<Acc<T>>(scale));
  head_.forward_backward(weights, hidden, batch.targets, as_const(m.position_weights), m.head, losses, gradients);
  return scale * losses.template cast<double>().sum();
}

template class NextTokenObjective<float>;
template class NextTokenObjective<bfloat16>;

}  // namespace kiln
