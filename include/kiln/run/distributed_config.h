// Configures the training of one model by several processes.
#pragma once

#include "kiln/core/fields.h"

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace kiln {

/// How ranks that train by themselves come together: the mean of their weights, or a step of Nesterov's momentum
/// towards it.
enum class OuterKind { nesterov, average };
inline constexpr std::array<std::string_view, 2> kOuterKinds{"nesterov", "average"};
inline std::span<const std::string_view> names_of(OuterKind) { return kOuterKinds; }

/// The name of the outer momentum in checkpoints.
inline constexpr std::string_view kOuterSlot = "outer";

struct DistributedConfig {
  static constexpr std::int64_t kMostLeaves = 1024;

  bool shard = true;
  std::optional<std::int64_t> leaves;
  std::int64_t local_steps = 1;
  OuterKind outer = OuterKind::nesterov;
  double outer_learning_rate = 0.7;
  double outer_momentum = 0.9;
  std::optional<Duration> timeout = Duration{600};

  /// Returns true if ranks train by themselves between outer steps.
  bool is_local() const { return local_steps > 1; }

  /// Adds a problem if leaves are not a power of two, or are combined with local steps.
  void validate(Problems& problems, const std::string& pointer) const;

  template <class V>
  void visit(V& v) {
    v("shard", shard,
      "each rank keeps the optimizer's state of its share of the weights alone, which saves memory (ZeRO stage 1, "
      "arXiv:1910.02054); false: each keeps all of it");
    v("leaves", leaves,
      "equal shares of a step, whose gradients are added in a fixed order: then any number of ranks gives the same "
      "bytes, on processors of one type; a power of two, like the number of ranks",
      at_least(1));
    v("local_steps", local_steps,
      "steps that each rank takes by itself, on its part of each batch, before all come together (DiLoCo, "
      "arXiv:2311.08105): for slow networks; 1: ranks share every step",
      at_least(1));
    v("outer", outer,
      "how ranks come together after local_steps; average: the mean of their weights; nesterov: a step of momentum "
      "towards it");
    v("outer_learning_rate", outer_learning_rate, "learning rate of that step (nesterov)", positive());
    v("outer_momentum", outer_momentum, "momentum of that step (nesterov)", from_to_below(0, 1));
    v("timeout", timeout, "how long a training rank waits for the others before it ends the run; null: for ever",
      positive_up_to(1e9));
  }
};

}  // namespace kiln
