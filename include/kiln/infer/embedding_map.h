// Maps a model's token embeddings to two dimensions, and finds the nearest neighbours of a token.
#pragma once

#include "kiln/nn/model_weights.h"
#include "kiln/tensor/view.h"
#include "kiln/text/token.h"

#include <array>
#include <vector>

namespace kiln {

/// Tokens in the plane in which their embeddings differ most: the first two principal components.
struct EmbeddingMap {
  RowMajor<float> places;          // (V, 2), relative to the tokens' mean
  std::array<double, 2> variance;  // the share of the embeddings' variance along each axis
};

/// Returns the map of the model's first `tokens` tokens, at most its vocabulary. The sign of an axis is such that the
/// axis' largest component is positive. Throws Error (diverged) if an embedding is not finite.
EmbeddingMap map_embeddings(const ModelView& model, Index tokens);

struct Neighbour {
  TokenId token = 0;
  double cosine = 0;  // of the angle between the embeddings
};

/// Returns the `count` of the first `tokens` tokens whose embeddings point most nearly where that of `token` does,
/// nearest first, without `token` itself.
std::vector<Neighbour> nearest_tokens(const ModelView& model, TokenId token, Index count, Index tokens);

}  // namespace kiln
