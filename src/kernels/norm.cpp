// Normalises rows in parallel; sums the gains' gradients column by column, in row order, so that their bits do not
// depend on the thread count.
#include "kiln/kernels/norm.h"

#include "kiln/core/threads.h"
#include "kiln/kernels/linear.h"
#include "kiln/tensor/convert.h"

#include <cmath>

namespace kiln {
namespace {

constexpr Index kRowGrain = 8;
constexpr Index kColumnGrain = 32;

/// dgain[c] += sum_n dy[n,c] (x[n,c] - mean[n]) rstd[n]; an empty mean is zero.
template <class T>
void add_gain_gradient(ConstMat<T> x, ConstVec<Acc<T>> mean, ConstVec<Acc<T>> rstd, ConstMat<T> dy, Vec<Acc<T>> dgain) {
  if (dgain.size() == 0) return;
  using A = Acc<T>;
  parallel_for(x.cols(), kColumnGrain, [&](Index begin, Index end) {
    for (Index n = 0; n < x.rows(); ++n) {
      const T *xn = row(x, n), *dyn = row(dy, n);
      const A shift = mean.size() > 0 ? mean[n] : A(0), scale = rstd[n];
      A* sums = dgain.data();
#pragma omp simd
      for (Index c = begin; c < end; ++c) sums[c] += widen(dyn[c]) * (widen(xn[c]) - shift) * scale;
    }
  });
}

/// Computes one row's backward of either norm, with xhat = (x - mean) rstd and g = dy gain:
/// dx = skip + rstd (g - mean_c(g) - xhat mean_c(g xhat)), where mean_c(g) counts only if the norm centres its input.
template <class T, bool kCentred>
void norm_row_backward(Index C, const T* x, const T* gain, Acc<T> mean, Acc<T> rstd, const T* dy, const T* skip,
                       T* dx) {
  using A = Acc<T>;
  A sum_g = 0, sum_gx = 0;
#pragma omp simd reduction(+ : sum_g, sum_gx)
  for (Index c = 0; c < C; ++c) {
    const A g = widen(dy[c]) * widen(gain[c]);
    sum_g += g;
    sum_gx += g * (widen(x[c]) - mean) * rstd;
  }
  const A mean_g = kCentred ? sum_g / static_cast<A>(C) : A(0);
  const A mean_gx = sum_gx / static_cast<A>(C);
#pragma omp simd
  for (Index c = 0; c < C; ++c) {
    const A g = widen(dy[c]) * widen(gain[c]);
    const A xhat = (widen(x[c]) - mean) * rstd;
    const A past = skip == nullptr ? A(0) : widen(skip[c]);
    dx[c] = narrow<T>(past + rstd * (g - mean_g - xhat * mean_gx));
  }
}

}  // namespace

template <class T>
void layernorm_forward(ConstMat<T> x, ConstVec<T> gain, ConstVec<T> bias, double epsilon, Mat<T> y, Vec<Acc<T>> mean,
                       Vec<Acc<T>> rstd) {
  using A = Acc<T>;
  const Index C = x.cols();
  parallel_for(x.rows(), kRowGrain, [&](Index begin, Index end) {
    for (Index n = begin; n < end; ++n) {
      const T *in = row(x, n), *g = gain.data(), *b = bias.size() > 0 ? bias.data() : nullptr;
      T* out = row(y, n);
      A sum = 0, squares = 0;
#pragma omp simd reduction(+ : sum)
      for (Index c = 0; c < C; ++c) sum += widen(in[c]);
      const A m = sum / static_cast<A>(C);
#pragma omp simd reduction(+ : squares)
      for (Index c = 0; c < C; ++c) squares += (widen(in[c]) - m) * (widen(in[c]) - m);
      const A r = A(1) / std::sqrt(squares / static_cast<A>(C) + static_cast<A>(epsilon));
#pragma omp simd
      for (Index c = 0; c < C; ++c) {
        const A shift = b == nullptr ? A(0) : widen(b[c]);
        out[c] = narrow<T>((widen(in[c]) - m) * r * widen(g[c]) + shift);
      }
      mean[n] = m;
      rstd[n] = r;
    }
  });
}

// y = (x - mean) rstd gain + bias
template <class T>
void layernorm_backward(ConstMat<T> x, ConstVec<T> gain, ConstVec<Acc<T>> mean, ConstVec<Acc<T>> rstd, ConstMat<T> dy,
                        ConstMat<T> dskip, Mat<T> dx, Vec<Acc<T>> dgain, Vec<Acc<T>> dbias) {
  add_gain_gradient(x, mean, rstd, dy, dgain);  // before dx is written, since it may alias dy
  if (dbias.size() > 0) add_column_sums(dy, dbias);
  parallel_for(x.rows(), kRowGrain, [&](Index begin, Index end) {
    for (Index n = begin; n < end; ++n) {
      norm_row_backward<T, true>(x.cols(), row(x, n), gain.data(), mean[n], rstd[n], row(dy, n),
                                 dskip.rows() > 0 ? row(dskip, n) : nullptr, row(dx, n));
    }
  });
}

template <class T>
void rmsnorm_forward(ConstMat<T> x, ConstVec<T> gain, double epsilon, Mat<T> y, Vec<Acc<T>> rstd) {
  using A = Acc<T>;
  const Index C = x.cols();
  parallel_for(x.rows(), kRowGrain, [&](Index begin, Index end) {
    for (Index n = begin; n < end; ++n) {
      const T *in = row(x, n), *g = gain.data();
      T* out = row(y, n);
      A squares = 0;
#pragma omp simd reduction(+ : squares)
      for (Index c = 0; c < C; ++c) squares += widen(in[c]) * widen(in[c]);
      const A r = A(1) / std::sqrt(squares / static_cast<A>(C) + static_cast<A>(epsilon));
#pragma omp simd
      for (Index c = 0; c < C; ++c) out[c] = narrow<T>(widen(in[c]) * r * widen(g[c]));
      rstd[n] = r;
    }
  });
}

// y = x rstd gain
template <class T>
void rmsnorm_backward(ConstMat<T> x, ConstVec<T> gain, ConstVec<Acc<T>> rstd, ConstMat<T> dy, ConstMat<T> dskip,
                      Mat<T> dx, Vec<Acc<T>> dgain) {
  add_gain_gradient(x, no_const_vec<Acc<T>>(), rstd, dy, dgain);  // before dx is written, since it may alias dy
  parallel_for(x.rows(), kRowGrain, [&](Index begin, Index end) {
    for (Index n = begin; n < end; ++n) {
      norm_row_backward<T, false>(x.cols(), row(x, n), gain.data(), Acc<T>(0), rstd[n], row(dy, n),
                                  dskip.rows() > 0 ? row(dskip, n) : nullptr, row(dx, n));
    }
  });
}

template <class T>
void head_rmsnorm_forward(ConstMat<T> x, ConstVec<T> gain, double epsilon, Mat<T> y, Vec<Acc<T>> rstd) {
  const Index D = gain.size(), heads = x.cols() / D;
  for (Index h = 0; h < heads; ++h) {
    // Head h of all rows is a matrix with the row stride of x.
    rmsnorm_forward<T>(columns(x, h * D, D), gain, epsilon, columns(y, h * D, D),
                       Vec<Acc<T>>(rstd.data() + h * x.rows(), x.rows()));
  }
}

template <class T>
void head_rmsnorm_backward(ConstMat<T> x, ConstVec<T> gain, ConstVec<Acc<T>> rstd, ConstMat<T> dy, Mat<T> dx,
                           Vec<Acc<T>> dgain) {
  const Index D = gain.size(), heads = x.cols() / D;
  const ConstMat<T> no_skip(nullptr, 0, D, Eigen::OuterStride<>(D));
  for (Index h = 0; h < heads; ++h) {
    rmsnorm_backward<T>(columns(x, h * D, D), gain, ConstVec<Acc<T>>(rstd.data() + h * x.rows(), x.rows()),
                        columns(dy, h * D, D), no_skip, columns(dx, h * D, D), dgain);
  }
}

#define KILN_INSTANTIATE(T)                                                                                            \
  template void layernorm_forward<T>(ConstMat<T>, ConstVec<T>, ConstVec<T>, double, Mat<T>, Vec<Acc<T>>, Vec<Acc<T>>); \
  template void layernorm_backward<T>(ConstMat<T>, ConstVec<T>, ConstVec<Acc<T>>, ConstVec<Acc<T>>, ConstMat<T>,       \
                                      ConstMat<T>, Mat<T>, Vec<Acc<T>>, Vec<Acc<T>>);                                  \
  template void rmsnorm_forward<T>(ConstMat<T>, ConstVec<T>, double, Mat<T>, Vec<Acc<T>>);                             \
  template void rmsnorm_backward<T>(ConstMat<T>, ConstVec<T>, ConstVec<Acc<T>>, ConstMat<T>, ConstMat<T>, Mat<T>,      \
                                    Vec<Acc<T>>);                                                                      \
  template void head_rmsnorm_forward<T>(ConstMat<T>, ConstVec<T>, double, Mat<T>, Vec<Acc<T>>);                        \
  template void head_rmsnorm_backward<T>(ConstMat<T>, ConstVec<T>, ConstVec<Acc<T>>, ConstMat<T>, Mat<T>, Vec<Acc<T>>);
KILN_INSTANTIATE(float)
KILN_INSTANTIATE(bfloat16)
KILN_INSTANTIATE(double)
#undef KILN_INSTANTIATE

}  // namespace kiln
