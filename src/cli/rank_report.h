// Prints what judgements say about raters and sources.
#pragma once

#include "kiln/data/agreement.h"

#include "cli/output.h"
#include <string>

namespace kiln::cli {

/// Returns the report as text, or for --json.
std::string report_text(const JudgementCensus& census, const JudgementReport& report);
Json report_json(const JudgementCensus& census, const JudgementReport& report);

}  // namespace kiln::cli
