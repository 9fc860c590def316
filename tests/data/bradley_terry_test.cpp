// Strengths in closed form, from simulated contests, and where the likelihood has no maximum.
#include "data/bradley_terry.h"

#include "kiln/core/rng.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <vector>

namespace kiln {
namespace {

void add_contests(std::vector<Contest>& contests, int count, std::size_t better, std::size_t worse,
                  bool is_tie = false) {
  for (int i = 0; i < count; ++i) contests.push_back({better, worse, is_tie, contests.size()});
}

TEST(BradleyTerry, TwoPlayersHaveTheLogOddsOfTheirWins) {
  std::vector<Contest> contests;
  add_contests(contests, 30, 0, 1);
  add_contests(contests, 10, 1, 0);
  const BradleyTerryFit fit = fit_bradley_terry(2, contests);
  EXPECT_NEAR(fit.players[0].value - fit.players[1].value, std::log(3), 1e-9);
  EXPECT_NEAR(fit.players[0].value + fit.players[1].value, 0, 1e-9);
  EXPECT_FALSE(fit.has_added_wins);
  // The difference has the variance 1 / (n p (1 - p)) = 1 / 7.5; a strength is half of it, and 40 groups give 40 / 39.
  const double error = std::sqrt(1 / 7.5) / 2 * std::sqrt(40.0 / 39);
  EXPECT_NEAR(fit.players[0].high - fit.players[0].value, 1.959963984540054 * error, 1e-6);
  EXPECT_NEAR(fit.players[0].value - fit.players[0].low, 1.959963984540054 * error, 1e-6);
}

TEST(BradleyTerry, ATieIsHalfAWinForEach) {
  std::vector<Contest> contests;
  add_contests(contests, 2, 0, 1);
  add_contests(contests, 2, 0, 1, true);  // 3 wins to 1
  const BradleyTerryFit fit = fit_bradley_terry(2, contests);
  EXPECT_NEAR(fit.players[0].value - fit.players[1].value, std::log(3), 1e-9);
  EXPECT_FALSE(fit.has_added_wins);
}

TEST(BradleyTerry, AChainOfPlayersAddsItsLogOdds) {
  std::vector<Contest> contests;  // 0 and 2 never meet
  add_contests(contests, 4, 0, 1);
  add_contests(contests, 2, 1, 0);
  add_contests(contests, 9, 1, 2);
  add_contests(contests, 3, 2, 1);
  const BradleyTerryFit fit = fit_bradley_terry(3, contests);
  EXPECT_NEAR(fit.players[0].value - fit.players[1].value, std::log(2), 1e-9);
  EXPECT_NEAR(fit.players[1].value - fit.players[2].value, std::log(3), 1e-9);
  EXPECT_NEAR(fit.players[0].value + fit.players[1].value + fit.players[2].value, 0, 1e-9);
}

TEST(BradleyTerry, AWinnerOfEverythingGetsAFiniteStrength) {
  std::vector<Contest> contests;
  add_contests(contests, 5, 0, 1);
  const BradleyTerryFit fit = fit_bradley_terry(2, contests);
  EXPECT_TRUE(fit.has_added_wins);
  EXPECT_NEAR(fit.players[0].value - fit.players[1].value, std::log(5.5 / 0.5), 1e-9);
}

TEST(BradleyTerry, PlayersWhoNeverMetAreInLeaguesOfTheirOwn) {
  std::vector<Contest> contests;
  add_contests(contests, 2, 0, 1);
  add_contests(contests, 1, 1, 0);
  add_contests(contests, 1, 3, 2);
  add_contests(contests, 1, 2, 3);
  const BradleyTerryFit fit = fit_bradley_terry(5, contests);
  EXPECT_EQ(fit.players[0].league, fit.players[1].league);
  EXPECT_EQ(fit.players[2].league, fit.players[3].league);
  EXPECT_NE(fit.players[0].league, fit.players[2].league);
  EXPECT_NE(fit.players[4].league, fit.players[0].league);
  EXPECT_NEAR(fit.players[0].value, std::log(2) / 2, 1e-9);
  EXPECT_NEAR(fit.players[2].value, 0, 1e-9);
  EXPECT_EQ(fit.players[4].value, 0);
  EXPECT_EQ(fit.players[4].high, INFINITY);
}

TEST(BradleyTerry, ContestsOfOneGroupThatMoveTogetherCountAsOne) {
  std::vector<Contest> single, repeated;  // each contest of `single` three times
  for (std::size_t group = 0; group < 40; ++group) {
    const bool is_upset = group % 4 == 0;
    single.push_back({is_upset ? 1u : 0u, is_upset ? 0u : 1u, false, group});
    repeated.insert(repeated.end(), 3, single.back());
  }
  const Strength once = fit_bradley_terry(2, single).players[0], thrice = fit_bradley_terry(2, repeated).players[0];
  EXPECT_NEAR(once.value, thrice.value, 1e-9);
  EXPECT_NEAR(once.high, thrice.high, 1e-9);
}

/// Draws rankings of four players by Plackett and Luce's model, whose pairs follow Bradley and Terry's.
std::vector<Contest> draw_rankings(const std::array<double, 4>& strengths, std::size_t groups, std::uint64_t seed) {
  Rng rng(seed, "test");
  std::vector<Contest> contests;
  for (std::size_t group = 0; group < groups; ++group) {
    std::array<double, 4> times{};  // exponential, at rates of exp(strength): the first is the best
    for (std::size_t i = 0; i < times.size(); ++i) times[i] = -std::log(1 - rng.uniform()) / std::exp(strengths[i]);
    for (std::size_t i = 0; i < times.size(); ++i) {
      for (std::size_t j = 0; j < times.size(); ++j) {
        if (times[i] < times[j]) contests.push_back({i, j, false, group});
      }
    }
  }
  return contests;
}

TEST(BradleyTerry, RecoversTheStrengthsOfSimulatedRankings) {
  const std::array<double, 4> truth{1.0, 0.3, -0.2, -1.1};
  const BradleyTerryFit fit = fit_bradley_terry(4, draw_rankings(truth, 20'000, 1));
  for (std::size_t i = 0; i < truth.size(); ++i) EXPECT_NEAR(fit.players[i].value, truth[i], 0.03) << i;
}

TEST(BradleyTerry, IntervalsHoldTheTruthNineteenTimesInTwenty) {
  const std::array<double, 4> truth{1.0, 0.3, -0.2, -1.1};
  constexpr int kTrials = 400;
  int held = 0;
  for (std::uint64_t seed = 0; seed < kTrials; ++seed) {
    const BradleyTerryFit fit = fit_bradley_terry(4, draw_rankings(truth, 100, seed));
    for (std::size_t i = 0; i < truth.size(); ++i) {
      held += fit.players[i].low <= truth[i] && truth[i] <= fit.players[i].high ? 1 : 0;
    }
  }
  EXPECT_NEAR(held / (4.0 * kTrials), 0.95, 0.025);
}

}  // namespace
}  // namespace kiln
