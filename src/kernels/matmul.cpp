// Shapes are looked up in a cache of oneDNN primitives; strides carry transposes, so that none is ever materialised.
// How oneDNN shares a product out depends on the number of threads: where no bit may, each tile is a product of its
// own. Double, and float where there is no oneDNN, go to Eigen; bfloat16 to kernels of our own where the processor has
// tiles for it or multiplies float faster.
#include "kiln/kernels/matmul.h"

#include "kiln/core/processor.h"
#include "kiln/core/threads.h"
#include "kiln/kernels/product_tiles.h"
#include "kiln/tensor/convert.h"

#include "kernels/amx_product.h"
#include "kernels/few_rows.h"
#include "kernels/scratch.h"
#include "kernels/strided.h"
#include "kernels/widened_product.h"
#include <array>
#include <cassert>
#include <map>
#include <string_view>
#include <vector>

#ifdef KILN_ONEDNN
#include <oneapi/dnnl/dnnl.hpp>
#endif

namespace kiln {
namespace {

constexpr Index kConvertedLines = 16;  // of a matrix, at least, for a thread that converts them

/// The distance of rows; of a single row it means nothing, and oneDNN wants it to be sound all the same.
template <class M>
Index row_stride(const M& m) {
  return m.rows() == 1 ? m.cols() : m.outerStride();
}

template <class T>
Strided<T> plain(ConstMat<T> m) {
  return {m.data(), m.rows(), m.cols(), row_stride(m), 1};
}
template <class T>
Strided<T> transposed(ConstMat<T> m) {
  return {m.data(), m.cols(), m.rows(), 1, row_stride(m)};
}

/// Eigen's product, on the calling thread.
template <class T>
void multiply_eigen(const Strided<T>& a, const Strided<T>& b, Mat<T> c, Write write, ConstVec<T> bias) {
  using Stride = Eigen::Stride<Eigen::Dynamic, Eigen::Dynamic>;
  using View = Eigen::Map<const RowMajor<T>, Eigen::Unaligned, Stride>;
  const View left(a.data, a.rows, a.cols, Stride(a.row_stride, a.col_stride));
  const View right(b.data, b.rows, b.cols, Stride(b.row_stride, b.col_stride));
  if (write == Write::overwrite) c.setZero();
  c.noalias() += left * right;
  if (bias.size() > 0) c.rowwise() += bias.transpose();
}

/// Eigen's product, each thread computing a share of the output's rows (or columns, where they are more).
template <class T>
void share_eigen(const Strided<T>& a, const Strided<T>& b, Mat<T> c, Write write, ConstVec<T> bias) {
  constexpr Index kGrain = 16;
  if (c.rows() >= c.cols()) {
    parallel_for(c.rows(), kGrain, [&](Index begin, Index end) {
      multiply_eigen<T>(a.part(begin, end - begin, 0, a.cols), b, rows(c, begin, end - begin), write, bias);
    });
  } else {
    parallel_for(c.cols(), kGrain, [&](Index begin, Index end) {
      multiply_eigen<T>(a, b.part(0, b.rows, begin, end - begin), columns(c, begin, end - begin), write,
                        part(bias, begin, end - begin));
    });
  }
}

#ifdef KILN_ONEDNN

template <class T>
constexpr dnnl::memory::data_type data_type() {
  return std::is_same_v<T, float> ? dnnl::memory::data_type::f32 : dnnl::memory::data_type::bf16;
}

dnnl::engine& engine() {
  static dnnl::engine instance(dnnl::engine::kind::cpu, 0);
  return instance;
}

/// A primitive with the memory objects that its calls point at their operands.
struct Product {
  dnnl::matmul primitive;
  dnnl::memory a, b, c, bias, scratchpad;
  bool has_bias;

  template <class T, class U>
  void run(const T* a_data, const T* b_data, U* c_data, const T* bias_data) {
    static thread_local dnnl::stream stream(engine());
    a.set_data_handle(const_cast<T*>(a_data));
    b.set_data_handle(const_cast<T*>(b_data));
    c.set_data_handle(c_data);
    if (has_bias) bias.set_data_handle(const_cast<T*>(bias_data));
    // Not primitive.execute, which would allocate a list of the arguments each time.
    dnnl::error::wrap_c_api(
        dnnl_primitive_execute(primitive.get(), stream.get(), static_cast<int>(arguments.size()), arguments.data()),
        "a matrix product failed");
  }

  std::vector<dnnl_exec_arg_t> arguments;
};

using ProductKey = std::array<Index, 11>;

/// oneDNN's first choice, but its packing kernels (gemm) where the left factor lies across: they are 6 to 25% ahead of
/// the batch-reduced ones (brgemm) in bfloat16, and what oneDNN takes in float by itself.
dnnl::matmul::primitive_desc choose_implementation(const dnnl::matmul::desc& description,
                                                   const dnnl::primitive_attr& attributes, bool left_lies_across) {
  dnnl::matmul::primitive_desc chosen(description, attributes, engine());
  if (!left_lies_across) return chosen;
  do {
    if (std::string_view(chosen.impl_info_str()) == "gemm:jit") return chosen;
  } while (chosen.next_impl());
  return {description, attributes, engine()};
}

template <class T, class U>
Product make_product(const Strided<T>& a, const Strided<T>& b, const Mat<U>& c, Write write, bool has_bias) {
  using dnnl::memory;
  const memory::desc a_desc({a.rows, a.cols}, data_type<T>(), memory::dims{a.row_stride, a.col_stride});
  const memory::desc b_desc({b.rows, b.cols}, data_type<T>(), memory::dims{b.row_stride, b.col_stride});
  const memory::desc c_desc({c.rows(), c.cols()}, data_type<U>(), memory::dims{row_stride(c), 1});
  const memory::desc bias_desc({1, c.cols()}, data_type<T>(), memory::dims{c.cols(), 1});
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  if (write == Write::accumulate) {
    dnnl::post_ops sum;
    sum.append_sum(1.0f);
    attributes.set_post_ops(sum);
  }
  const dnnl::matmul::desc description =
      has_bias ? dnnl::matmul::desc(a_desc, b_desc, bias_desc, c_desc) : dnnl::matmul::desc(a_desc, b_desc, c_desc);
  const dnnl::matmul::primitive_desc chosen =
      choose_implementation(description, attributes, a.row_stride == 1 && a.cols > 1);
  auto nothing = [](const memory::desc& desc) { return memory(desc, engine(), nullptr); };
  Product product{dnnl::matmul(chosen),
                  nothing(a_desc),
                  nothing(b_desc),
                  nothing(c_desc),
                  nothing(bias_desc),
                  memory(chosen.scratchpad_desc(), engine()),
                  has_bias,
                  {}};
  product.arguments = {{DNNL_ARG_SRC, product.a.get()},
                       {DNNL_ARG_WEIGHTS, product.b.get()},
                       {DNNL_ARG_DST, product.c.get()},
                       {DNNL_ARG_SCRATCHPAD, product.scratchpad.get()}};
  if (has_bias) product.arguments.push_back({DNNL_ARG_BIAS, product.bias.get()});
  return product;
}

template <class T, class U>
void multiply_onednn(const Strided<T>& a, const Strided<T>& b, Mat<U> c, Write write, ConstVec<T> bias) {
  static thread_local std::map<ProductKey, Product> products;
  const ProductKey key{a.rows,       a.cols,        b.cols,
                       a.row_stride, a.col_stride,  b.row_stride,
                       b.col_stride, row_stride(c), static_cast<Index>(write),
                       bias.size(),  threads_here()};
  auto found = products.find(key);
  if (found == products.end()) {
    found = products.emplace(key, make_product<T, U>(a, b, c, write, bias.size() > 0)).first;
  }
  found->second.run(a.data, b.data, c.data(), bias.data());
}

#endif

/// A product on the calling thread, or oneDNN's on all that are there.
template <class T, class U>
void multiply_whole(const Strided<T>& a, const Strided<T>& b, Mat<U> c, Write write, ConstVec<T> bias) {
#ifdef KILN_ONEDNN
  if constexpr (!std::is_same_v<T, double>) return multiply_onednn<T, U>(a, b, c, write, bias);
#endif
  if constexpr (std::is_same_v<T, U>) multiply_eigen<T>(a, b, c, write, bias);
}

/// layer_products(l) (M, N) (+)= a b over layer l of the inner dimension (+ bias), each tile on one thread.
template <class T, class U, class Layer>
void multiply_tiles(const ProductTiles& tiles, const Strided<T>& a, const Strided<T>& b, Layer&& layer_products,
                    Write write, ConstVec<T> bias) {
  parallel_for(tiles.count(), 1, [&](Index begin, Index end) {
    const OneThread alone;
    for (Index i = begin; i < end; ++i) {
      const ProductTile t = tiles[i];
      const Mat<U> c = columns(rows(layer_products(i / tiles.per_layer()), t.row, t.rows), t.col, t.cols);
      multiply_whole<T, U>(a.part(t.row, t.rows, t.inner, t.depth), b.part(t.inner, t.depth, t.col, t.cols), c, write,
                           part(bias, t.col, t.cols));
    }
  });
}

/// A product in tiles that its sizes alone decide on, and sums over their layers in their order.
template <class T, class U>
void multiply_in_tiles(const Strided<T>& a, const Strided<T>& b, Mat<U> c, Write write, ConstVec<T> bias) {
  using A = Acc<T>;
  const ProductTiles tiles(c.rows(), c.cols(), a.cols);
  if (tiles.layers() == 1)
    return multiply_tiles<T, U>(
        tiles, a, b, [&](Index) { return c; }, write, bias);
  // Some megabytes at most, since it takes a small c to want layers.
  A* const products = scratch<ProductTiles, A>(tiles.layers() * c.size());
  const auto layer = [&](Index l) { return mat(products + l * c.size(), c.rows(), c.cols()); };
  multiply_tiles<T, A>(tiles, a, b, layer, Write::overwrite, no_const_vec<T>());
  parallel_for(c.rows(), kConvertedLines, [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) {
      A* sums = row(layer(0), i);
      for (Index l = 1; l < tiles.layers(); ++l) {
        const A* more = row(layer(l), i);
        for (Index j = 0; j < c.cols(); ++j) sums[j] += more[j];
      }
      if (bias.size() > 0) {
        for (Index j = 0; j < c.cols(); ++j) sums[j] += widen(bias[j]);
      }
      U* out = row(c, i);
      const bool adds = write == Write::accumulate;
      for (Index j = 0; j < c.cols(); ++j) out[j] = narrow<U>(sums[j] + (adds ? widen(out[j]) : A(0)));
    }
  });
}

/// A product by all threads: in tiles, or as oneDNN or Eigen are fastest.
template <class T, class U>
void multiply_shared(const Strided<T>& a, const Strided<T>& b, Mat<U> c, Write write, ConstVec<T> bias) {
  if (deterministic()) return multiply_in_tiles<T, U>(a, b, c, write, bias);
#ifdef KILN_ONEDNN
  if constexpr (!std::is_same_v<T, double>) return multiply_onednn<T, U>(a, b, c, write, bias);
#endif
  if constexpr (std::is_same_v<T, U>) share_eigen<T>(a, b, c, write, bias);
}

#ifdef KILN_ONEDNN

/// Whether oneDNN multiplies bfloat16, by the processor's own instructions.
bool multiplies_bfloat16() {
  constexpr auto kWanted = static_cast<unsigned>(dnnl::cpu_isa::avx512_core_bf16);  // bits, as of all that it implies
  static const bool does =
      prefers_own_bfloat16() && (static_cast<unsigned>(dnnl::get_effective_cpu_isa()) & kWanted) == kWanted;
  return does;
}

constexpr Index kLine = 16;                 // floats
constexpr Index kRowsWorthSpreading = 128;  // of the left factor

/// Whether the rows of the right factor lie whole pages apart, so that a column of it falls on a few lines of the
/// cache, and the left factor has so many that a copy is worth it.
bool thrashes(Index left_rows, const Strided<float>& b) {
  constexpr Index kPage = 4096 / sizeof(float);
  return left_rows >= kRowsWorthSpreading && b.col_stride == 1 && b.rows > 1 && b.row_stride % kPage == 0;
}

/// The matrix with its rows a cache line further apart than they are long.
Strided<float> spread(const Strided<float>& m) {
  const Index stride = m.cols + kLine;
  float* const out = scratch<struct Spread, float>(m.rows * stride);
  parallel_for(m.rows, kConvertedLines, [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) std::copy_n(m.data + i * m.row_stride, m.cols, out + i * stride);
  });
  return {out, m.rows, m.cols, stride, 1};
}

#endif

/// Whether the processor multiplies tiles of bfloat16: several times as fast as all else.
bool multiplies_tiles() {
  static const bool does = has_bfloat16_tiles();
  return does;
}

template <class T, class U>
void multiply(const Strided<T>& a, const Strided<T>& b, Mat<U> c, Write write, ConstVec<T> bias) {
  assert(a.cols == b.rows && a.rows == c.rows() && b.cols == c.cols());
  assert(bias.size() == 0 || bias.size() == c.cols());
  if (c.rows() == 0 || c.cols() == 0) return;
  if constexpr (std::is_same_v<T, bfloat16>) {
    if (multiplies_tiles()) return amx_product<U>(a, b, c, write, bias);
  }
#ifdef KILN_ONEDNN
  if constexpr (std::is_same_v<T, bfloat16>) {
    if (multiplies_bfloat16()) return multiply_shared<T, U>(a, b, c, write, bias);
  }
  if constexpr (std::is_same_v<T, float>) {
    if (thrashes(a.rows, b)) return multiply_shared<T, U>(a, spread(b), c, write, bias);
  }
#endif
  if constexpr (std::is_same_v<T, bfloat16>) {
    widened_product<U>(a, b, c, write, bias);
  } else {
    multiply_shared<T, U>(a, b, c, write, bias);
  }
}

/// Whether kernels/few_rows makes a product: oneDNN lays the right factor out anew first, which costs more than it.
template <class U>
bool has_few_rows(const Mat<U>& c, Write write) {
  return c.rows() > 0 && c.rows() <= kFewRows && write == Write::overwrite;
}

}  // namespace

template <class T, class U>
void matmul(ConstMat<T> a, ConstMat<T> b, Mat<U> c, Write write, ConstVec<T> bias) {
  if constexpr (!std::is_same_v<T, double>) {
    if (has_few_rows(c, write)) return few_rows_matmul<T, U>(a, b, c, bias);
  }
  multiply<T, U>(plain(a), plain(b), c, write, bias);
}

template <class T, class U>
void matmul_nt(ConstMat<T> a, ConstMat<T> b, Mat<U> c, Write write, ConstVec<T> bias) {
  if constexpr (!std::is_same_v<T, double>) {
    if (has_few_rows(c, write)) return few_rows_matmul_nt<T, U>(a, b, c, bias);
  }
  multiply<T, U>(plain(a), transposed(b), c, write, bias);
}

template <class T, class U>
void matmul_tn(ConstMat<T> a, ConstMat<T> b, Mat<U> c, Write write, ConstVec<T> bias) {
  multiply<T, U>(transposed(a), plain(b), c, write, bias);
}

template <class T>
std::size_t matmul_scratch_bytes([[maybe_unused]] Index M, [[maybe_unused]] Index K, [[maybe_unused]] Index N) {
  if constexpr (std::is_same_v<T, bfloat16>) {
    if (multiplies_tiles()) return static_cast<std::size_t>(threads()) * amx_product_bytes();
  }
#ifdef KILN_ONEDNN
  if constexpr (std::is_same_v<T, bfloat16>) {
    if (multiplies_bfloat16()) return 0;
  }
  if constexpr (std::is_same_v<T, float>) {
    if (thrashes(M, {nullptr, K, N, N, 1})) return static_cast<std::size_t>(K * (N + kLine)) * sizeof(float);
  }
#endif
  return std::is_same_v<T, bfloat16> ? static_cast<std::size_t>(threads()) * widened_product_bytes() : 0;
}

template std::size_t matmul_scratch_bytes<float>(Index, Index, Index);
template std::size_t matmul_scratch_bytes<bfloat16>(Index, Index, Index);

#define KILN_INSTANTIATE(T, U)                                                         \
  template void matmul<T, U>(ConstMat<T>, ConstMat<T>, Mat<U>, Write, ConstVec<T>);    \
  template void matmul_nt<T, U>(ConstMat<T>, ConstMat<T>, Mat<U>, Write, ConstVec<T>); \
  template void matmul_tn<T, U>(ConstMat<T>, ConstMat<T>, Mat<U>, Write, ConstVec<T>);
KILN_INSTANTIATE(float, float)
KILN_INSTANTIATE(double, double)
KILN_INSTANTIATE(bfloat16, bfloat16)
KILN_INSTANTIATE(bfloat16, float)
#undef KILN_INSTANTIATE

}  // namespace kiln
