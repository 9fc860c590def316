// Defines planes through weight space, in which the loss is drawn: their directions, points and projections.
#pragma once

#include "kiln/tensor/parameters.h"

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

namespace kiln {

/// The plane w(alpha, beta) = origin + alpha first + beta second. Refers to buffers of one size. The directions need
/// not be orthogonal.
struct WeightPlane {
  const ParameterBuffer<float>& origin;
  const ParameterBuffer<float>& first;
  const ParameterBuffer<float>& second;

  /// Writes w(alpha, beta); w(0, 0) is the origin, bit by bit.
  void write_point(double alpha, double beta, ParameterBuffer<float>& weights) const;
};

/// Where weights lie, seen from a plane: its nearest point, and how far away that is.
struct PlanePlace {
  double alpha = 0, beta = 0;
  double distance = 0;  // the L2 norm of the weights less the nearest point
  double length = 0;    // the L2 norm of the weights less the origin
};

/// Returns the nearest point of a plane (least squares). If one direction depends on the other, that is the one with
/// the smallest coordinates.
PlanePlace project(const WeightPlane& plane, const ParameterBuffer<float>& weights);

/// Writes one tensor of a random direction, filter-normalised (Li et al. 2018, arXiv:1712.09913, section 4): standard
/// normal numbers, scaled such that every filter has the norm of the same filter of the weights. A filter is the
/// weights into one output unit: a column of a matrix (in, out), a row of an unembedding; of an embedding, it is a
/// token's row. Vectors (biases, gains) get 0, as the paper does. The numbers are a function of seed, stream and the
/// tensor's name.
void draw_direction(const ParameterBuffer<float>& weights, const Parameter& parameter, std::uint64_t seed,
                    std::string_view stream, ParameterBuffer<float>& direction);

/// Writes the first two principal components of points in weight space, of norm 1, and returns the share of the
/// points' variance along each: that of the path on which a run has moved (arXiv:1712.09913, section 7). Finds them
/// through the small matrix of the points' inner products, so it reads the points twice. The first point's coordinates,
/// seen from the last one, are not positive. A component without variance is 0. All buffers have one size; there is at
/// least one point.
std::array<double, 2> principal_directions(std::span<const ParameterBuffer<float>* const> points,
                                           ParameterBuffer<float>& first, ParameterBuffer<float>& second);

}  // namespace kiln
