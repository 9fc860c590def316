// Strengths of players from the outcomes of pairs.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace kiln {

/// One comparison of two players. Contests of one group, such as those of one prompt, need not be independent.
struct Contest {
  std::size_t better, worse;
  bool is_tie = false;  // counts as half a win for each
  std::size_t group = 0;
};

/// A player's strength: a is better than b with probability sigmoid(a - b).
struct Strength {
  double value = 0, low = 0, high = 0;  // the mean over the players of one league is 0; low and high bound 95%
  std::size_t league = 0;               // strengths of different leagues, never compared even indirectly, say nothing
};

struct BradleyTerryFit {
  std::vector<Strength> players;
  // Some player, or a set of them, has won or lost all its contests with the others, so that its strength would be
  // infinite: half a win was added on each side of all pairs of its league that met.
  bool has_added_wins = false;
};

/// Returns the strengths of the largest likelihood (Bradley and Terry, doi:10.2307/2334029), found with Newton's
/// method. The intervals allow for dependence within groups (the sandwich estimator, doi:10.2307/1912526); with fewer
/// than two groups they take all contests as independent. A player without contests has the strength 0, from minus to
/// plus infinity.
BradleyTerryFit fit_bradley_terry(std::size_t players, std::span<const Contest> contests);

}  // namespace kiln
