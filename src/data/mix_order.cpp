// Merges the sources' draws by their places in an epoch; permutes each source at each of its passes.
#include "kiln/data/mix_order.h"

#include "kiln/core/error.h"
#include "kiln/core/format.h"
#include "kiln/core/rng.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <functional>
#include <numeric>
#include <queue>
#include <string>
#include <utility>

namespace kiln {
namespace {

constexpr double kMostDraws = 1e8;  // of an epoch over several sources, which are listed

/// Returns the random stream of a source's permutations.
std::string shuffle_stream(std::size_t source) {
  return source == 0 ? "data/shuffle" : fmt::format("data/shuffle/{}", source);
}

}  // namespace

MixOrder::MixOrder(std::vector<MixedSource> sources, DataOrder order, std::uint64_t seed) : order_(order), seed_(seed) {
  assert(!sources.empty());
  const auto ratio = [](const MixedSource& source) { return static_cast<double>(source.size) / source.weight; };
  const auto rarest = std::ranges::max_element(sources, {}, ratio);
  double all = 0;
  for (const MixedSource& source : sources) all += source.weight * ratio(*rarest);
  check(sources.size() == 1 || all <= kMostDraws,
        "data.mix[{}]: a pass over its {} at a weight of {} takes {:.2g} examples in all, more than {:.0g}; raise this "
        "weight, or lower the others",
        rarest - sources.begin(), counted(rarest->size, "conversation"), rarest->weight, all, kMostDraws);
  Index first = 0;
  for (const MixedSource& source : sources) {
    assert(source.size > 0);
    const Index draws = &source == &*rarest ? source.size : std::llround(source.weight * ratio(*rarest));
    sources_.push_back({.first = first, .size = source.size, .draws = draws, .permutation = {}});
    if (order_ == DataOrder::shuffle) sources_.back().permutation.resize(static_cast<std::size_t>(source.size));
    first += source.size;
    epoch_ += draws;
  }
  if (sources_.size() > 1) spread();
}

/// Puts draw d of the c of a source at (d + 1/2) / c of the epoch.
void MixOrder::spread() {
  struct Next {
    double place;
    Draw draw;
    bool operator>(const Next& other) const {
      return std::pair(place, draw.source) > std::pair(other.place, other.draw.source);
    }
  };
  std::priority_queue<Next, std::vector<Next>, std::greater<>> next;
  const auto add = [&](Draw draw) {
    const Index count = sources_[draw.source].draws;
    if (draw.number < count) next.push({(draw.number + 0.5) / static_cast<double>(count), draw});
  };
  for (std::uint32_t source = 0; source < sources_.size(); ++source) add({source, 0});
  draws_.reserve(static_cast<std::size_t>(epoch_));
  while (!next.empty()) {
    const Draw draw = next.top().draw;
    next.pop();
    draws_.push_back(draw);
    add({draw.source, draw.number + 1});
  }
}

Index MixOrder::example(Index number) {
  assert(number >= 0);
  const Draw draw = draws_.empty() ? Draw{0, 0} : draws_[static_cast<std::size_t>(number % epoch_)];
  const Source& source = sources_[draw.source];
  if (order_ == DataOrder::random) {
    Rng rng(seed_, "data/random", static_cast<std::uint64_t>(number));
    return source.first + static_cast<Index>(rng.below(static_cast<std::uint64_t>(source.size)));
  }
  const Index drawn = draws_.empty() ? number : number / epoch_ * source.draws + draw.number;
  return source.first + (order_ == DataOrder::sequential ? drawn % source.size : shuffled(draw.source, drawn));
}

Index MixOrder::shuffled(std::size_t index, Index draw) {
  Source& source = sources_[index];
  std::vector<Index>& permutation = source.permutation;
  if (draw / source.size != source.pass) {
    source.pass = draw / source.size;
    Rng rng(seed_, shuffle_stream(index), static_cast<std::uint64_t>(source.pass));
    std::iota(permutation.begin(), permutation.end(), 0);
    for (std::size_t left = permutation.size(); left > 1; --left) {  // Fisher-Yates
      std::swap(permutation[left - 1], permutation[rng.below(left)]);
    }
  }
  return permutation[static_cast<std::size_t>(draw % source.size)];
}

}  // namespace kiln
