// Compares judgements pair by pair of answers; each prompt is one group of trials.
#include "kiln/data/agreement.h"

#include "data/bradley_terry.h"
#include <algorithm>
#include <cmath>
#include <limits>

namespace kiln {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

/// What a judgement says about the answers i < j: i is better (1), j is better (-1), or a tie.
using Outcome = int;
using AnswerPair = std::pair<std::size_t, std::size_t>;
using Outcomes = std::map<std::string, std::vector<Outcome>>;  // of each rater, in the order of judging

std::map<AnswerPair, Outcomes> outcomes_of(const JudgedPrompt& prompt) {
  std::map<AnswerPair, Outcomes> outcomes;
  for (const Judgement& judgement : prompt.judgements) {
    if (judgement.rater.empty()) continue;
    for (const JudgedPair& pair : pairs_of(judgement)) {
      if (prompt.answers[pair.better].is_edit || prompt.answers[pair.worse].is_edit) continue;
      const bool in_order = pair.better < pair.worse;
      const AnswerPair answers = std::minmax(pair.better, pair.worse);
      outcomes[answers][judgement.rater].push_back(pair.is_tie ? 0 : in_order ? 1 : -1);
    }
  }
  return outcomes;
}

/// Counts hits and trials in groups that come one after the other.
class Tally {
 public:
  void add(bool is_hit, std::size_t group) {
    if (groups_.empty() || group != last_) groups_.emplace_back();
    last_ = group;
    groups_.back().hits += is_hit ? 1 : 0;
    groups_.back().trials += 1;
  }
  void add_half(std::size_t group) {
    add(false, group);
    groups_.back().hits += 0.5;
  }
  Share share() const { return share_of(groups_); }

 private:
  std::vector<TrialGroup> groups_;
  std::size_t last_ = 0;
};

/// Counts what pairs of judgements agree on.
class AgreementTally {
 public:
  void add(Outcome a, Outcome b, std::size_t group) {
    same_.add(a == b, group);
    if (a != 0 && b != 0) decided_.add(a == b, group);
    ties_ += (a == 0 ? 1 : 0) + (b == 0 ? 1 : 0);
  }

  Agreement agreement() const {
    const Share same = same_.share();
    const double tie = ties_ / (2 * same.trials), chance = tie * tie + (1 - tie) * (1 - tie) / 2;
    const bool is_defined = same.trials > 0 && chance < 1;
    return {same, decided_.share(), is_defined ? (same.value - chance) / (1 - chance) : kNone};
  }

 private:
  Tally same_, decided_;
  double ties_ = 0;
};

class ReportWriter {
 public:
  JudgementReport write(std::span<const JudgedPrompt> prompts) {
    for (std::size_t i = 0; i < prompts.size(); ++i) {
      for (const auto& [answers, outcomes] : outcomes_of(prompts[i])) compare(outcomes, i);
      for (const Judgement& judgement : prompts[i].judgements) {
        note_positions(prompts[i], judgement, i);
        note_sources(prompts[i], judgement, i);
      }
    }
    report_.between = between_.agreement();
    report_.within = within_.agreement();
    report_.first_shown = first_shown_.share();
    for (const auto& [rater, tally] : consistency_) report_.consistency[rater] = tally.share();
    for (const auto& [raters, tally] : raters_) report_.raters[raters] = tally.share();
    report_.is_ceiling_of_one_rater = report_.between.decided.trials == 0;
    const Share& decided = report_.is_ceiling_of_one_rater ? report_.within.decided : report_.between.decided;
    if (decided.trials > 0) report_.ceiling = noise_ceiling(decided.value);
    rate_sources();
    return std::move(report_);
  }

 private:
  void compare(const Outcomes& outcomes, std::size_t group) {
    for (auto a = outcomes.begin(); a != outcomes.end(); ++a) {
      for (std::size_t i = 1; i < a->second.size(); ++i) {
        const Outcome earlier = a->second[i - 1], later = a->second[i];
        within_.add(earlier, later, group);
        if (earlier != 0 && later != 0) consistency_[a->first].add(earlier == later, group);
      }
      for (auto b = std::next(a); b != outcomes.end(); ++b) {
        const Outcome one = a->second.front(), other = b->second.front();
        between_.add(one, other, group);
        if (one != 0 && other != 0) raters_[{a->first, b->first}].add(one == other, group);
      }
    }
  }

  void note_positions(const JudgedPrompt& prompt, const Judgement& judgement, std::size_t group) {
    constexpr auto kUnseen = std::numeric_limits<std::size_t>::max();
    std::vector<std::size_t> position(prompt.answers.size(), kUnseen);
    for (std::size_t i = 0; i < judgement.shown.size(); ++i) position[judgement.shown[i]] = i;
    for (const JudgedPair& pair : pairs_of(judgement)) {
      const std::size_t better = position[pair.better], worse = position[pair.worse];
      if (!pair.is_tie && better != kUnseen && worse != kUnseen) first_shown_.add(better < worse, group);
    }
  }

  std::size_t number_of(const std::string& source) {
    const auto [found, is_new] = numbers_.try_emplace(source, report_.sources.size());
    if (is_new) report_.sources.push_back({.source = source, .win_rate = {}});
    return found->second;
  }

  void note_sources(const JudgedPrompt& prompt, const Judgement& judgement, std::size_t group) {
    for (const JudgedPair& pair : pairs_of(judgement)) {
      const JudgedAnswer &better = prompt.answers[pair.better], &worse = prompt.answers[pair.worse];
      const bool is_known = !better.source.empty() && !worse.source.empty() && !better.is_edit && !worse.is_edit;
      if (!is_known || better.source == worse.source) continue;
      contests_.push_back({number_of(better.source), number_of(worse.source), pair.is_tie, group});
    }
  }

  void rate_sources() {
    std::vector<SourceRecord>& sources = report_.sources;
    std::vector<Tally> tallies(sources.size());
    for (const Contest& contest : contests_) {
      SourceRecord &better = sources[contest.better], &worse = sources[contest.worse];
      for (const std::size_t player : {contest.better, contest.worse}) {
        contest.is_tie ? tallies[player].add_half(contest.group)
                       : tallies[player].add(player == contest.better, contest.group);
      }
      better.wins += contest.is_tie ? 0 : 1;
      worse.losses += contest.is_tie ? 0 : 1;
      better.ties += contest.is_tie ? 1 : 0;
      worse.ties += contest.is_tie ? 1 : 0;
    }
    const BradleyTerryFit fit = fit_bradley_terry(sources.size(), contests_);
    report_.has_added_wins = fit.has_added_wins;
    for (std::size_t i = 0; i < sources.size(); ++i) {
      const Strength& strength = fit.players[i];
      sources[i].win_rate = tallies[i].share();
      sources[i].strength = strength.value;
      sources[i].low = strength.low;
      sources[i].high = strength.high;
      sources[i].league = strength.league;
    }
    std::ranges::stable_sort(sources, [](const SourceRecord& a, const SourceRecord& b) {
      return a.league != b.league ? a.league < b.league : a.strength > b.strength;
    });
  }

  JudgementReport report_;
  AgreementTally between_, within_;
  std::map<std::string, Tally> consistency_;
  std::map<std::pair<std::string, std::string>, Tally> raters_;
  Tally first_shown_;
  std::map<std::string, std::size_t> numbers_;  // of sources
  std::vector<Contest> contests_;
};

/// The means of a normal distribution of log odds with this standard deviation.
struct NormalPairs {
  double agreement, accuracy, log_loss;
};

NormalPairs normal_pairs(double spread) {
  constexpr int kIntervals = 4000;  // of Simpson's rule, over the half where x is positive: the other one mirrors it
  constexpr double kReach = 9;      // standard deviations; the rest weighs 1e-19
  constexpr double kStep = kReach / kIntervals;
  NormalPairs sum{0, 0, 0};
  for (int i = 0; i <= kIntervals; ++i) {
    const double z = i * kStep, x = spread * z;
    const double factor = i == 0 || i == kIntervals ? 1 : i % 2 == 1 ? 4 : 2;
    const double weight = factor * kStep / 3 * 2 * std::exp(-z * z / 2) / std::sqrt(2 * std::acos(-1.0));
    const double rest = std::exp(-x) / (1 + std::exp(-x)), q = 1 - rest;
    sum.agreement += weight * (q * q + rest * rest);
    sum.accuracy += weight * q;
    sum.log_loss += weight * (std::log1p(std::exp(-x)) + rest * x);  // -q log q - (1 - q) log (1 - q)
  }
  return sum;
}

}  // namespace

NoiseCeiling noise_ceiling(double agreement) {
  constexpr double kWidest = 1e3;
  const double shared = std::clamp(agreement, 0.5, 1.0);
  NoiseCeiling ceiling;
  ceiling.agreement = ceiling.low = shared;
  ceiling.high = (1 + std::sqrt(2 * shared - 1)) / 2;
  double low = 0, high = kWidest;
  for (int i = 0; i < 60 && shared > 0.5 && shared < 1; ++i) {
    const double middle = (low + high) / 2;
    (normal_pairs(middle).agreement < shared ? low : high) = middle;
  }
  ceiling.spread = shared == 1 ? std::numeric_limits<double>::infinity() : shared == 0.5 ? 0 : (low + high) / 2;
  const NormalPairs pairs = shared < 1 ? normal_pairs(ceiling.spread) : NormalPairs{1, 1, 0};
  ceiling.likely = pairs.accuracy;
  ceiling.log_loss = pairs.log_loss;
  return ceiling;
}

JudgementReport report_on(std::span<const JudgedPrompt> prompts) { return ReportWriter().write(prompts); }

}  // namespace kiln
