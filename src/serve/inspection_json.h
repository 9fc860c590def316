// Writes what is seen inside a model as JSON.
#pragma once

#include "kiln/core/json.h"
#include "kiln/infer/inspector.h"
#include "kiln/text/tokenizer.h"

#include <nlohmann/json.hpp>

namespace kiln {

/// Returns a number with this many digits after the point: what JSON writes of it is short.
double rounded(double number, int digits);

/// Returns a number with this many significant digits; null if it is not finite.
Json significant_json(double number, int digits);

/// Returns {"id", "text"}, with U+FFFD for part of a character; with_bytes also its exact "bytes". A row of the
/// embedding that has no token has no text.
Json token_json(const Tokenizer& tokenizer, TokenId token);
Json token_json_with_bytes(const Tokenizer& tokenizer, TokenId token);

/// Returns {"top": [{"id", "text", "probability"}], "next": {"probability", "rank", "loss"} or null}.
Json forecast_json(const Tokenizer& tokenizer, const Forecast& forecast);

/// Returns {"id", "text", "probability", "answer", "next"}.
Json lens_json(const Tokenizer& tokenizer, const LensReading& reading);

/// Returns the rows of a matrix up to the diagonal, with 4 digits.
Json triangle_json(const RowMajor<float>& matrix);

}  // namespace kiln
