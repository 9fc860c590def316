// Each activation is a value and a derivative; one driver applies them, plain or gated.
#include "kiln/kernels/activation.h"

#include "kiln/core/threads.h"
#include "kiln/tensor/convert.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <type_traits>

namespace kiln {
namespace {

constexpr Index kRowGrain = 4;

/// Far below zero it stays at 1e-35: exp(-x) must not overflow, since this file is compiled for finite numbers.
template <class A>
A sigmoid(A x) {
  return A(1) / (A(1) + std::exp(-std::max(x, A(-80))));
}

struct Relu {
  template <class A>
  static A value(A x) {
    return x > A(0) ? x : A(0);
  }
  template <class A>
  static A derivative(A x) {
    return x > A(0) ? A(1) : A(0);
  }
};

struct Relu2 {
  template <class A>
  static A value(A x) {
    return x > A(0) ? x * x : A(0);
  }
  template <class A>
  static A derivative(A x) {
    return x > A(0) ? A(2) * x : A(0);
  }
};

// x Phi(x), Phi the normal distribution function
struct Gelu {
  template <class A>
  static A cdf(A x) {
    return A(0.5) * (A(1) + std::erf(x * std::numbers::sqrt2_v<A> / A(2)));
  }
  template <class A>
  static A value(A x) {
    return x * cdf(x);
  }
  template <class A>
  static A derivative(A x) {
    const A density = std::exp(A(-0.5) * x * x) * std::numbers::inv_sqrtpi_v<A> / std::numbers::sqrt2_v<A>;
    return cdf(x) + x * density;
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
