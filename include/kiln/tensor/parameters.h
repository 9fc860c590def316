// Defines the layout of all parameters, and the buffers over it: weights, gradients, moments, averages.
#pragma once

#include "kiln/tensor/arena.h"
#include "kiln/tensor/view.h"

#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace kiln {

/// The role of a parameter, for initialisation, weight decay, Muon, freezing and counting by part.
enum class Role {
  token_embedding,
  position_embedding,
  attention,           // hidden matrix: queries, keys, values
  attention_residual,  // hidden matrix that writes to the residual stream
  mlp,                 // hidden matrix: expansion and gate
  mlp_residual,        // hidden matrix that writes to the residual stream
  adapter,             // hidden matrix of low rank
  norm,                // gain of a norm
  bias,
  unembedding,
  score,  // matrix of one row: a reward model's head
};

constexpr bool is_hidden_matrix(Role role) { return role >= Role::attention && role <= Role::adapter; }
constexpr bool is_residual_projection(Role role) {
  return role == Role::attention_residual || role == Role::mlp_residual;
}
constexpr bool is_embedding(Role role) { return role == Role::token_embedding || role == Role::position_embedding; }
constexpr bool is_matrix(Role role) { return role != Role::norm && role != Role::bias; }

/// The modules of a model, under GPT-2's names in transformers. Those from ln_1 to mlp_c_proj occur once in each layer.
enum class Module {
  wte,
  wpe,
  ln_1,
  c_attn,
  attention_c_proj,
  q_norm,
  k_norm,
  ln_2,
  c_fc,
  mlp_c_proj,
  ln_f,
  lm_head,
  score
};
constexpr bool is_in_layer(Module module) { return module >= Module::ln_1 && module <= Module::mlp_c_proj; }

/// The tensors of a module. A norm's weight is its gain. Adapters are the A and B of a linear layer, and the rows of
/// new tokens in an embedding.
enum class TensorKind { weight, bias, lora_a, lora_b, new_rows };

constexpr Index kNoLayer = -1;

/// Identifies a parameter of any model.
struct ParameterKey {
  Module module;
  Index layer = kNoLayer;  // kNoLayer for a module outside the layers
  TensorKind tensor = TensorKind::weight;

  bool operator==(const ParameterKey&) const = default;
};

/// Returns the name of a parameter in checkpoints, configs and random streams, such as "h.3.attn.c_attn.weight".
std::string name_of(const ParameterKey& key);

/// Identifies a parameter of a layout. A default id means that the model has no such parameter.
struct ParameterId {
  int index = -1;
  explicit operator bool() const { return index >= 0; }
};

struct Parameter {
  ParameterKey key;
  std::string name;                  // name_of(key)
  Role role;                         // follows from the key
  Index rows;                        // [in] of a weight, V of an embedding, 1 of a vector
  Index cols;                        // [out] of a weight, C of an embedding, the length of a vector
  std::vector<Index> column_groups;  // widths of matrices side by side: Q, K, V; gate, up; usually one
  ParameterId id = {};               // set by the layout, like the offset
  Index offset = 0;                  // of its first element in every buffer
  Index first = 0;                   // of a slice: its first element in the whole parameter

  Index size() const { return rows * cols; }
  bool is_vector() const { return !is_matrix(role); }
  std::vector<Index> shape() const;  // [rows, cols], or [cols] of a vector
};

/// Returns true for a parameter that trains in place of a model's weights (nn/lora_config.h).
inline bool is_adapter(const Parameter& parameter) { return parameter.key.tensor >= TensorKind::lora_a; }

/// Returns true for a parameter that a model with adapters trains and saves: an adapter, or a reward model's head,
/// which the language model under the adapters does not have.
inline bool trains_with_adapters(const Parameter& parameter) {
  return is_adapter(parameter) || parameter.role == Role::score;
}

/// The list of all parameters of a model, with unique keys. Layers register theirs at construction, and keep the ids.
class ParameterLayout {
 public:
  ParameterId matrix(const ParameterKey& key, Index rows, Index cols, std::vector<Index> column_groups = {});
  ParameterId vector(const ParameterKey& key, Index size);

  const std::vector<Parameter>& parameters() const { return parameters_; }
  bool has(ParameterId id) const { return id && place(id) >= 0; }
  const Parameter& operator[](ParameterId id) const { return parameters_[static_cast<std::size_t>(place(id))]; }
  /// Returns one more than the largest id: the size of an array by id.
  Index ids() const { return std::ssize(places_); }
  /// Return a false id if the layout has no such parameter.
  ParameterId find(const ParameterKey& key) const;
  ParameterId find(std::string_view name) const;

  Index count() const { return count_; }    // parameters
  Index extent() const { return extent_; }  // elements of a buffer: parameters and padding that aligns each tensor
  Index count(Role role) const;

  /// Returns the layout of the parameters for which `contains` is true, in the same order and with the same ids, but
  /// new offsets. A buffer over it has no elements for the others.
  template <class Contains>
  ParameterLayout subset(Contains&& contains) const {
    ParameterLayout some;
    some.places_.assign(places_.size(), -1);
    for (const Parameter& p : parameters_) {
      if (contains(p)) some.add(p);
    }
    return some;
  }

  /// Returns the layout of slices of some parameters, in this order and with their ids. A slice that is not the whole
  /// parameter is a row.
  template <class Slice>
  ParameterLayout slices(const std::vector<Slice>& slices) const {
    ParameterLayout some;
    some.places_.assign(places_.size(), -1);
    for (const Slice& slice : slices) {
      Parameter p = (*this)[slice.id];
      if (slice.count < p.size()) {
        p.rows = 1;
        p.cols = slice.count;
        p.column_groups = {slice.count};
      }
      p.first = slice.begin;
      some.add(std::move(p));
    }
    return some;
  }

 private:
  ParameterId add_new(const ParameterKey& key, Index rows, Index cols, std::vector<Index> column_groups);
  void add(Parameter parameter);
  int place(ParameterId id) const { return places_[static_cast<std::size_t>(id.index)]; }

  std::vector<Parameter> parameters_;
  std::vector<int> places_;  // by id: index in parameters_; -1: not contained
  Index count_ = 0;
  Index extent_ = 0;
};

/// One aligned block of elements over a layout, which must outlive it; initially zero. Padding stays zero.
template <class T>
class ParameterBuffer {
 public:
  explicit ParameterBuffer(const ParameterLayout& layout)
      : layout_(&layout), block_(static_cast<std::size_t>(layout.extent()) * sizeof(T)) {}

  const ParameterLayout& layout() const { return *layout_; }

  bool has(ParameterId id) const { return layout_->has(id); }

  /// Return the tensor as a matrix (rows, cols): one row for a vector, none for a parameter not in the layout.
  Mat<T> mat(ParameterId id) {
    if (!has(id)) return kiln::mat(static_cast<T*>(nullptr), 0, 0);
    const Parameter& p = (*layout_)[id];
    return kiln::mat(data() + p.offset, p.rows, p.cols);
  }
  ConstMat<T> mat(ParameterId id) const {
    if (!has(id)) return kiln::mat(static_cast<const T*>(nullptr), 0, 0);
    const Parameter& p = (*layout_)[id];
    return kiln::mat(data() + p.offset, p.rows, p.cols);
  }

  /// Return the tensor as a vector of all its elements, empty for a parameter not in the layout.
  Vec<T> vec(ParameterId id) {
    if (!has(id)) return no_vec<T>();
    const Parameter& p = (*layout_)[id];
    return {data() + p.offset, p.size()};
  }
  ConstVec<T> vec(ParameterId id) const {
    if (!has(id)) return no_const_vec<T>();
    const Parameter& p = (*layout_)[id];
    return {data() + p.offset, p.size()};
  }

  /// Return all elements, padding included, for sums, norms and copies.
  Vec<T> all() { return {data(), layout_->extent()}; }
  ConstVec<T> all() const { return {data(), layout_->extent()}; }

  T* data() { return reinterpret_cast<T*>(block_.data()); }
  const T* data() const { return reinterpret_cast<const T*>(block_.data()); }

 private:
  const ParameterLayout* layout_;
  AlignedBlock block_;
};

/// The gradients of the layout's parameters, summed over the micro-batches of a step. Kernels skip the gradient of a
/// parameter not in the layout. clear() only marks the tensors: the first product then overwrites its tensor, which
/// saves passes of zeroing and adding. Other tensors are zeroed at their first use.
template <class T>
class Gradients : public ParameterBuffer<T> {
 public:
  explicit Gradients(const ParameterLayout& layout)
      : ParameterBuffer<T>(layout), is_stale_(static_cast<std::size_t>(layout.ids()), false) {}

  /// Marks every tensor as zero.
  void clear() { is_stale_.assign(is_stale_.size(), true); }
  /// Zeroes the tensors not written since clear(). The whole buffer may then be read.
  void finish() { finish_from(0); }

  /// Called with an offset when the backward is done with all parameters from there on, which may then be read.
  using Listener = std::function<void(Index offset)>;
  /// Sets the listener of the backwards from here on; null: none.
  void set_listener(Listener listener) { listener_ = std::move(listener); }
  /// Tells the listener that the backward is done with all parameters whose id is at least `first`.
  void settle(int first) {
    if (listener_) listener_(finish_from(first));
  }

  /// The destination of a tensor's next product, and how to write it. It must be written, unless it has no rows.
  struct Target {
    Mat<T> mat;
    Write write;
  };
  Target target(ParameterId id) {
    return {ParameterBuffer<T>::mat(id), make_fresh(id) ? Write::overwrite : Write::accumulate};
  }

  using ParameterBuffer<T>::mat, ParameterBuffer<T>::vec;  // for reading

  /// Return the tensor for adding to it.
  Mat<T> mat(ParameterId id) {
    if (make_fresh(id)) ParameterBuffer<T>::mat(id).setZero();
    return ParameterBuffer<T>::mat(id);
  }
  Vec<T> vec(ParameterId id) {
    if (make_fresh(id)) ParameterBuffer<T>::vec(id).setZero();
    return ParameterBuffer<T>::vec(id);
  }

 private:
  /// Zeroes the unwritten ones of the tensors whose id is at least `first`, and returns the offset of the first one.
  Index finish_from(int first);

  /// Clears a tensor's mark. Returns true if it was set.
  bool make_fresh(ParameterId id) {
    if (!this->has(id)) return false;
    const bool was_stale = is_stale_[static_cast<std::size_t>(id.index)];
    is_stale_[static_cast<std::size_t>(id.index)] = false;
    return was_stale;
  }

  std::vector<bool> is_stale_;  // by parameter
  Listener listener_;
};

/// Weights that are still on their way from other ranks.
class Arrivals {
 public:
  Arrivals() = default;
  virtual ~Arrivals() = default;
  Arrivals(const Arrivals&) = delete;
  Arrivals& operator=(const Arrivals&) = delete;

  /// Waits until all parameters whose id is below `end` are there.
  virtual void wait_for(int end) = 0;
};

/// The weights of a model: a view of buffers that the caller owns. Training has float masters, which optimizers update,
/// and in bfloat16 a rounded copy, which the model reads. Masters of weights that never train may be missing then.
/// Inference may have only the rounded copy; a gradient check has weights in double.
class Weights {
 public:
  Weights(ParameterBuffer<float>& masters) : masters_(&masters) {}
  Weights(ParameterBuffer<float>& masters, ParameterBuffer<bfloat16>& rounded)
      : masters_(&masters), rounded_(&rounded) {}
  Weights(ParameterBuffer<bfloat16>& rounded) : rounded_(&rounded) {}
  Weights(ParameterBuffer<double>& in_double) : in_double_(&in_double) {}

  /// Returns the same weights, of which some are still arriving.
  Weights arriving(Arrivals& arrivals) const {
    Weights weights = *this;
    weights.arrivals_ = &arrivals;
    return weights;
  }
  Arrivals* arrivals() const { return arrivals_; }  // null if all are there

  ParameterBuffer<float>& masters() const { return *masters_; }
  bool has_rounded() const { return rounded_ != nullptr; }

  /// Returns the buffer that a model of T reads, which must exist.
  template <class T>
  const ParameterBuffer<T>& as() const {
    if constexpr (std::is_same_v<T, float>) {
      return *masters_;
    } else if constexpr (std::is_same_v<T, double>) {
      return *in_double_;
    } else {
      return *rounded_;
    }
  }

  /// Rounds `count` masters of a tensor, from element `begin` on, into the copy; does nothing without a copy.
  void round(ParameterId id, Index begin, Index count) const;
  /// Rounds all masters.
  void round() const;

 private:
  ParameterBuffer<float>* masters_ = nullptr;
  ParameterBuffer<bfloat16>* rounded_ = nullptr;
  ParameterBuffer<double>* in_double_ = nullptr;
  Arrivals* arrivals_ = nullptr;
};

}  // namespace kiln
