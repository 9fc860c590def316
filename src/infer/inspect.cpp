// Sorts the forecasts of an Inspector into what follows and what may follow.
#include "kiln/infer/inspect.h"

#include "kiln/core/error.h"
#include "kiln/infer/context.h"
#include "kiln/infer/inspector.h"

#include <utility>

namespace kiln {

Inspection inspect(const ModelView& model, std::span<const TokenId> tokens, Index top) {
  check(top >= 1, "top is {}; it must be 1 or more", top);
  Inspector inspector(model, fit_context(tokens, model.config.n_ctx, model.vocab_size), false);
  Inspection inspection;
  for (Forecast& forecast : inspector.forecasts(0, inspector.rows(), top)) {
    if (forecast.next) {
      forecast.next->top = std::move(forecast.top);
      inspection.predictions.push_back(std::move(*forecast.next));
    } else {
      inspection.next = std::move(forecast.top);
    }
  }
  return inspection;
}

}  // namespace kiln
