// Writes what judgements say about raters and sources as JSON, for programs and pages.
#pragma once

#include "kiln/core/json.h"
#include "kiln/data/agreement.h"

namespace kiln {

/// Returns {"counts", "between_raters", "within_raters", "by_raters", "by_rater", "first_shown", "ceiling", "sources",
/// "added_half_wins"}. A share is {"trials", "share", "confidence_interval"}, with null for what is not known.
Json report_json(const JudgementCensus& census, const JudgementReport& report);

/// Returns the part of it that a rater may see, {"within_raters"}: it names no source and no other rater.
Json own_report_json(const JudgementReport& report);

}  // namespace kiln
