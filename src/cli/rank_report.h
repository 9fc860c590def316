// Prints what judgements say about raters and sources.
#pragma once

#include "kiln/data/agreement.h"

#include <string>

namespace kiln::cli {

/// Returns the report as text.
std::string report_text(const JudgementCensus& census, const JudgementReport& report);

}  // namespace kiln::cli
