// Answers /v1/score.
#include "kiln/serve/service.h"

#include "serve/routes.h"
#include "serve/scorer.h"

namespace kiln {

void answer_score(const RouteContext& context) {
  Scorer& scorer = context.service.scorer();
  scorer.begin(read_score_request(context.request.body), context.response);
}

}  // namespace kiln
