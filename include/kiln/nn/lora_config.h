// Configures low-rank adapters (LoRA, arXiv:2106.09685): each adapted weight W acts as W + scale A B.
#pragma once

#include "kiln/core/fields.h"
#include "kiln/tensor/view.h"

#include <cmath>
#include <string>
#include <vector>

namespace kiln {

struct LoraConfig {
  static constexpr Index kMostRank = 65'536;

  Index rank = 0;
  double alpha = 32;
  double dropout = 0;
  std::vector<std::string> targets{"linear"};
  bool rslora = false;

  // Not a field: rows of the last tokens, which the run added to the vocabulary. They train too.
  Index new_tokens = 0;

  bool is_on() const { return rank > 0; }

  /// Returns the factor of A B: alpha / rank, with rslora alpha / sqrt(rank) (arXiv:2312.03732).
  double scale() const {
    const auto r = static_cast<double>(rank);
    return alpha / (rslora ? std::sqrt(r) : r);
  }

  /// Returns true if a linear layer's weight of this name gets an adapter.
  bool adapts(const std::string& weight) const;

  template <class V>
  void visit(V& v) {
    v("rank", rank, "columns of A and rows of B; 0: no adapters, every weight trains", between(0, kMostRank));
    v("alpha", alpha, "scale of the adapters: A B is multiplied by alpha / rank", positive());
    v("dropout", dropout, "share of the adapters' inputs dropped in training", between(0.0, 0.99));
    v("targets", targets,
      "layers that get adapters: \"linear\", all linear layers of the blocks; or weights by name, * standing for any "
      "text: \"h.*.attn.*\"");
    v("rslora", rslora, "multiply A B by alpha / sqrt(rank) instead (arXiv:2312.03732)");
  }
};

}  // namespace kiln
