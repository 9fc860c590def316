// Compares hashes of what the ranks train with.
#include "train/rank_agreement.h"

#include "kiln/core/error.h"
#include "kiln/core/hash.h"
#include "kiln/core/json.h"

#include <nlohmann/json.hpp>

#include <array>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace kiln {
namespace {

/// What must be the same on all ranks.
struct Fingerprint {
  std::uint64_t version, config, tokenizer, data, weights, state;
};

}  // namespace

void check_ranks_agree(const TrainingParts& p) {
  World& world = *p.world;
  if (world.size() == 1) return;
  const ConstVec<float> weights = std::as_const(p.weights->masters()).all();
  const std::vector<Fingerprint> all =
      world.gather(Fingerprint{.version = hash_bytes(KILN_VERSION),
                               .config = hash_config(config_to_json(p.config)),
                               .tokenizer = hash_bytes(p.data.tokenizer->to_json().dump()),
                               .data = p.data.digest,
                               .weights = hash_bytes({reinterpret_cast<const char*>(weights.data()),
                                                      static_cast<std::size_t>(weights.size()) * sizeof(float)}),
                               .state = static_cast<std::uint64_t>(p.state.step)});
  struct Compared {
    std::uint64_t Fingerprint::*value;
    const char* name;
  };
  constexpr std::array kCompared{
      Compared{&Fingerprint::version, "version of kiln"}, Compared{&Fingerprint::config, "config"},
      Compared{&Fingerprint::tokenizer, "tokenizer"},     Compared{&Fingerprint::data, "text"},
      Compared{&Fingerprint::weights, "initial weights"}, Compared{&Fingerprint::state, "checkpoint"}};
  std::vector<std::string> lines{"the ranks must train the same model on the same text, and do not:"};
  for (std::size_t rank = 1; rank < all.size(); ++rank) {
    for (const auto& [value, name] : kCompared) {
      if (all[rank].*value != all[0].*value)
        lines.push_back(fmt::format("  rank {} has another {} than rank 0", rank, name));
    }
  }
  if (lines.size() == 1) return;
  lines.emplace_back("give all machines the same kiln, config and files");
  fail_lines(ExitCode::usage, lines);
}

}  // namespace kiln
