// How far judgements agree, with each other and within a rater, and what follows for a model that learns them.
#pragma once

#include "kiln/core/intervals.h"
#include "kiln/data/judgements.h"

#include <cstddef>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace kiln {

/// Judgements about the same pair of answers, two by two. Intervals take prompts as the independent groups.
struct Agreement {
  Share same;     // said the same: the one, the other, or a tie
  Share decided;  // named the same answer, of those where neither said a tie
  double kappa =
      0;  // `same` beyond chance: (same - chance) / (1 - chance), where two raters who know only how frequent
          // ties are would say the same by chance (Scott's pi). NaN if there is none, or chance is certain
};

/// The best that a reward model can do on pairs that two judgements decide alike with a certain probability.
/// A pair's judgements name the better answer with probability q. Two of them agree with the mean of q^2 + (1 - q)^2, a
/// model that knows q is right with the mean of max(q, 1 - q): the ceiling. `agreement` bounds it.
struct NoiseCeiling {
  double agreement = 0;  // at least 0.5: less is taken as 0.5
  double low = 0;        // some pairs are clear, and for the others q is 1/2: (the agreement itself)
  double high = 0;       // q is the same for all pairs: (1 + sqrt(2 agreement - 1)) / 2
  double likely = 0;     // q = sigmoid(x), x normal with mean 0 and standard deviation `spread`
  double spread = 0;
  double log_loss = 0;  // of a model that knows q, in nats, under the same assumption
};

/// Returns the ceiling for an agreement of two judgements from 0 to 1. With 1, spread is infinite.
NoiseCeiling noise_ceiling(double agreement);

/// A source's record against other sources.
struct SourceRecord {
  std::string source;
  std::int64_t wins = 0, losses = 0, ties = 0;
  Share win_rate;                          // a tie is half a win
  double strength = 0, low = 0, high = 0;  // Bradley and Terry's, with its 95% interval (bradley_terry.h)
  std::size_t league = 0;
};

/// What the judgements of some prompts say about raters and sources.
struct JudgementReport {
  Agreement between;  // the first judgements of two raters
  Agreement within;   // of a rater with itself: a judgement and the rater's next on the same pair
  std::map<std::string, Share> consistency;  // of each rater that judged some pair twice: within.decided
  std::map<std::pair<std::string, std::string>, Share> raters;  // between.decided, of two raters each
  Share first_shown;                     // of decided pairs: the better answer stood before the other
  std::optional<NoiseCeiling> ceiling;   // from between.decided, or else within.decided
  bool is_ceiling_of_one_rater = false;  // the latter
  std::vector<SourceRecord> sources;     // best first, league by league; those that met another one
  bool has_added_wins = false;           // see BradleyTerryFit
};

/// Leaves out answers that raters wrote; for sources, answers whose source is unknown; for agreement, judgements
/// without a rater's name.
JudgementReport report_on(std::span<const JudgedPrompt> prompts);

}  // namespace kiln
