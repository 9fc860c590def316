// Rounds probabilities to what a picture shows: most of a reply is numbers.
#include "serve/inspection_json.h"

#include "kiln/core/format.h"
#include "kiln/core/utf8.h"

#include <cmath>
#include <string>
#include <utility>

namespace kiln {
namespace {

constexpr int kProbabilityDigits = 8;
constexpr int kAttentionDigits = 4;

std::string text_bytes(const Tokenizer& tokenizer, TokenId token) {
  return token < tokenizer.vocab_size() ? tokenizer.token_bytes(token) : std::string();
}

}  // namespace

double rounded(double number, int digits) {
  const double scale = std::pow(10.0, digits);
  return std::round(number * scale) / scale;
}

Json significant_json(double number, int digits) {
  if (!std::isfinite(number)) return nullptr;
  return std::stod(significant(number, digits));
}

Json token_json(const Tokenizer& tokenizer, TokenId token) {
  return {{"id", token}, {"text", utf8_replace_invalid(text_bytes(tokenizer, token))}};
}

Json token_json_with_bytes(const Tokenizer& tokenizer, TokenId token) {
  Json json = token_json(tokenizer, token);
  json["bytes"] = Json::array();
  for (const char byte : text_bytes(tokenizer, token)) json["bytes"].push_back(static_cast<unsigned char>(byte));
  return json;
}

Json forecast_json(const Tokenizer& tokenizer, const Forecast& forecast) {
  Json top = Json::array();
  for (const TokenProbability& likely : forecast.top) {
    Json token = token_json(tokenizer, likely.token);
    token["probability"] = rounded(likely.probability, kProbabilityDigits);
    top.push_back(std::move(token));
  }
  Json json = {{"top", std::move(top)}, {"next", nullptr}};
  if (forecast.next) {
    json["next"] = {{"probability", rounded(forecast.next->probability, kProbabilityDigits)},
                    {"rank", forecast.next->rank},
                    {"loss", rounded(forecast.next->loss, kAttentionDigits)}};
  }
  return json;
}

Json lens_json(const Tokenizer& tokenizer, const LensReading& reading) {
  Json json = token_json(tokenizer, reading.top.token);
  json["probability"] = rounded(reading.top.probability, kAttentionDigits);
  json["answer"] = rounded(reading.answer, kAttentionDigits);
  json["next"] = reading.next ? Json(rounded(*reading.next, kAttentionDigits)) : Json();
  return json;
}

Json triangle_json(const RowMajor<float>& matrix) {
  Json rows = Json::array();
  for (Index i = 0; i < matrix.rows(); ++i) {
    Json row = Json::array();
    for (Index j = 0; j <= i; ++j) row.push_back(rounded(static_cast<double>(matrix(i, j)), kAttentionDigits));
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace kiln
