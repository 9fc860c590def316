// Defines each activation's value and derivative, and one driver that applies them, plain or gated.
#include "kiln/kernels/activation.h"

#include "kiln/core/threads.h"
#include "kiln/tensor/convert.h"

#include "kernels/exponential.h"
#include <algorithm>
#include <cmath>
#include <numbers>
#include <type_traits>

namespace kiln {
namespace {

constexpr Index kRowGrain = 4;

template <class A>
A sigmoid(A x) {
  return A(1) / (A(1) + exponential(-x));
}

struct Relu {
  template <class A>
  static A value(A x) {
    return x < A(0) ? A(0) : x;  // keeps NaN, so that it is not mistaken for a valid activation
  }
  template <class A>
  static A derivative(A x) {
    return x > A(0) ? A(1) : A(0);
  }
};

struct Relu2 {
  template <class A>
  static A value(A x) {
    return x < A(0) ? A(0) : x * x;
  }
  template <class A>
  static A derivative(A x) {
    return x > A(0) ? A(2) * x : A(0);
  }
};

/// Phi(x), the normal distribution's CDF, and its density.
template <class A>
struct Normal {
  A cdf, density;

  explicit Normal(A x) {
    const A bell = exponential(A(-0.5) * x * x);
    density = bell * std::numbers::inv_sqrtpi_v<A> / std::numbers::sqrt2_v<A>;
    if constexpr (std::is_same_v<A, double>) {
      cdf = 0.5 * (1 + std::erf(x * std::numbers::sqrt2 / 2));
    } else {
      const A below = lower_tail(std::abs(x)) * bell;
      cdf = x > A(0) ? A(1) - below : below;
    }
  }

  /// Returns Phi(-z) exp(z^2 / 2) for z >= 0: a polynomial in t = 1 / (1 + 0.305 z) without constant term, in the form
  /// of Hastings (Abramowitz and Stegun 7.1.26), refitted over [0, 14] to a relative error of at most 1e-7. Half the
  /// cost of erf, since exp is needed anyway.
  static A lower_tail(A z) {
    const A t = A(1) / (A(1) + A(0.305) * z);
    A sum = A(0.0366992196);
    for (const double coefficient :
         {-0.152988434, 0.185717112, -0.03797702, 0.121021779, 0.103420836, 0.122466822, 0.121639732}) {
      sum = sum * t + A(coefficient);
    }
    return sum * t;
  }
};

// x Phi(x)
struct Gelu {
  template <class A>
  static A value(A x) {
    return x * Normal<A>(x).cdf;
  }
  template <class A>
  static A derivative(A x) {
    const Normal<A> normal(x);
    return normal.cdf + x * normal.density;
  }
};

// x/2 (1 + tanh(u)) = x sigmoid(2u), u = sqrt(2/pi) (x + 0.044715 x^3)
struct GeluNew {
  template <class A>
  static A twice_u(A x) {
    const A factor = A(2) * std::numbers::sqrt2_v<A> * std::numbers::inv_sqrtpi_v<A>;
    return factor * (x + A(0.044715) * x * x * x);
  }
  template <class A>
  static A value(A x) {
    return x * sigmoid(twice_u(x));
  }
  template <class A>
  static A derivative(A x) {
    const A slope = A(2) * std::numbers::sqrt2_v<A> * std::numbers::inv_sqrtpi_v<A> * (A(1) + A(3 * 0.044715) * x * x);
    const A s = sigmoid(twice_u(x));
    return s + x * s * (A(1) - s) * slope;
  }
};

struct Silu {
  template <class A>
  static A value(A x) {
    return x * sigmoid(x);
  }
  template <class A>
  static A derivative(A x) {
    const A s = sigmoid(x);
    return s * (A(1) + x * (A(1) - s));
  }
};

/// Calls body(functor, gated as a constant) for the activation.
template <class Body>
void with_activation(Activation activation, Body&& body) {
  constexpr std::false_type plain;
  constexpr std::true_type gated;
  switch (activation) {
    case Activation::relu:
      return body(Relu{}, plain);
    case Activation::gelu:
      return body(Gelu{}, plain);
    case Activation::gelu_new:
      return body(GeluNew{}, plain);
    case Activation::silu:
      return body(Silu{}, plain);
    case Activation::relu2:
      return body(Relu2{}, plain);
    case Activation::swiglu:
      return body(Silu{}, gated);
    case Activation::geglu:
      return body(Gelu{}, gated);
  }
}

}  // namespace

template <class T>
void activation_forward(Activation activation, ConstMat<T> x, Mat<T> y) {
  using A = Acc<T>;
  const Index F = y.cols();
  with_activation(activation, [&](auto f, auto gated) {
    parallel_for(x.rows(), kRowGrain, [&](Index begin, Index end) {
      for (Index n = begin; n < end; ++n) {
        const T* in = row(x, n);
        T* out = row(y, n);
#pragma omp simd
        for (Index i = 0; i < F; ++i) {
          const A up = gated ? widen(in[F + i]) : A(1);
          out[i] = narrow<T>(f.value(widen(in[i])) * up);
        }
      }
    });
  });
}

// y = act(x), or act(gate) * up
template <class T>
void activation_backward(Activation activation, ConstMat<T> x, ConstMat<T> dy, Mat<T> dx) {
  using A = Acc<T>;
  const Index F = dy.cols();
  with_activation(activation, [&](auto f, auto gated) {
    parallel_for(x.rows(), kRowGrain, [&](Index begin, Index end) {
      for (Index n = begin; n < end; ++n) {
        const T *in = row(x, n), *d = row(dy, n);
        T* out = row(dx, n);
#pragma omp simd
        for (Index i = 0; i < F; ++i) {
          const A gate = widen(in[i]), up = gated ? widen(in[F + i]) : A(1);
          const A incoming = widen(d[i]);
          out[i] = narrow<T>(incoming * up * f.derivative(gate));
          if constexpr (gated) out[F + i] = narrow<T>(incoming * f.value(gate));
        }
      }
    });
  });
}

#define KILN_INSTANTIATE(T)                                             \
  template void activation_forward<T>(Activation, ConstMat<T>, Mat<T>); \
  template void activation_backward<T>(Activation, ConstMat<T>, ConstMat<T>, Mat<T>);
KILN_INSTANTIATE(float)
KILN_INSTANTIATE(bfloat16)
KILN_INSTANTIATE(double)
#undef KILN_INSTANTIATE

}  // namespace kiln
