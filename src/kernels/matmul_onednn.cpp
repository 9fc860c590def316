// Multiplies by oneDNN. Caches primitives by shape; passes transposes as strides, so that none is materialised.
#include "kernels/matmul_onednn.h"

#ifdef KILN_ONEDNN
#include "kiln/core/processor.h"
#include "kiln/core/threads.h"

#include <oneapi/dnnl/dnnl.hpp>

#include "kernels/scratch.h"
#include <array>
#include <cstddef>
#include <map>
#include <string_view>
#include <vector>

namespace kiln {
namespace {

template <class T>
constexpr dnnl::memory::data_type data_type() {
  return std::is_same_v<T, float> ? dnnl::memory::data_type::f32 : dnnl::memory::data_type::bf16;
}

dnnl::engine& engine() {
  static dnnl::engine instance(dnnl::engine::kind::cpu, 0);
  return instance;
}

/// A primitive and its memory objects, which each call points at its operands.
struct Product {
  dnnl::matmul primitive;
  dnnl::memory a, b, c, bias, scratchpad;
  Index scratchpad_size;  // bytes; a thread's products share one scratchpad
  bool has_bias;

  template <class T, class U>
  void run(const T* a_data, const T* b_data, U* c_data, const T* bias_data) {
    static thread_local dnnl::stream stream(engine());
    a.set_data_handle(const_cast<T*>(a_data));
    b.set_data_handle(const_cast<T*>(b_data));
    c.set_data_handle(c_data);
    scratchpad.set_data_handle(scratch<Product, std::byte>(scratchpad_size));
    if (has_bias) bias.set_data_handle(const_cast<T*>(bias_data));
    // Avoids primitive.execute, which allocates an argument list on every call.
    dnnl::error::wrap_c_api(
        dnnl_primitive_execute(primitive.get(), stream.get(), static_cast<int>(arguments.size()), arguments.data()),
        "a matrix product failed");
  }

  std::vector<dnnl_exec_arg_t> arguments;
};

using ProductKey = std::array<Index, 11>;

/// Returns oneDNN's first choice, except that a transposed left factor gets the packing kernels (gemm): in bfloat16
/// they are 6 to 25% faster than the batch-reduced ones (brgemm); in float oneDNN chooses them by itself.
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
                  nothing(chosen.scratchpad_desc()),
                  static_cast<Index>(chosen.scratchpad_desc().get_size()),
                  has_bias,
                  {}};
  product.arguments = {{DNNL_ARG_SRC, product.a.get()},
                       {DNNL_ARG_WEIGHTS, product.b.get()},
                       {DNNL_ARG_DST, product.c.get()},
                       {DNNL_ARG_SCRATCHPAD, product.scratchpad.get()}};
  if (has_bias) product.arguments.push_back({DNNL_ARG_BIAS, product.bias.get()});
  return product;
}

/// Returns whether oneDNN uses an instruction set and all that this one includes.
bool has_isa(dnnl::cpu_isa wanted) {
  const auto bits = static_cast<unsigned>(wanted);  // with those of the included sets
  return (static_cast<unsigned>(dnnl::get_effective_cpu_isa()) & bits) == bits;
}

constexpr std::size_t kMostProducts = 128;  // that a thread keeps: a model has some twenty, but batches vary in rows

}  // namespace

template <class T, class U>
void onednn_product(const Strided<T>& a, const Strided<T>& b, Mat<U> c, Write write, ConstVec<T> bias) {
  static thread_local std::map<ProductKey, Product> products;
  const ProductKey key{a.rows,       a.cols,        b.cols,
                       a.row_stride, a.col_stride,  b.row_stride,
                       b.col_stride, row_stride(c), static_cast<Index>(write),
                       bias.size(),  threads_here()};
  auto found = products.find(key);
  if (found == products.end()) {
    if (products.size() == kMostProducts) products.clear();
    found = products.emplace(key, make_product<T, U>(a, b, c, write, bias.size() > 0)).first;
  }
  found->second.run(a.data, b.data, c.data(), bias.data());
}

bool onednn_has_avx512() { return has_isa(dnnl::cpu_isa::avx512_core); }

bool onednn_multiplies_bfloat16() { return has_fast_bfloat16() && has_isa(dnnl::cpu_isa::avx512_core_bf16); }

#define KILN_INSTANTIATE(T, U) \
  template void onednn_product<T, U>(const Strided<T>&, const Strided<T>&, Mat<U>, Write, ConstVec<T>);
KILN_INSTANTIATE(float, float)
KILN_INSTANTIATE(bfloat16, bfloat16)
KILN_INSTANTIATE(bfloat16, float)
#undef KILN_INSTANTIATE

}  // namespace kiln

#endif
