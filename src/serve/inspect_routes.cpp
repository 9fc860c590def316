// Answers what the page "Inside" asks: predictions, attention and layers of a text; checkpoints; embeddings; gradient
// steps; the loss around the weights.
#include "kiln/core/error.h"
#include "kiln/run/checkpoint.h"
#include "kiln/serve/service.h"

#include "serve/api_error.h"
#include "serve/inspection.h"
#include "serve/query.h"
#include "serve/routes.h"
#include "serve/valley.h"
#include <array>

namespace kiln {
namespace {

InspectedModel model_of(const RouteContext& context, const std::string& name, const CheckpointChoice& choice) {
  try {
    return inspected_model(context.engine, context.service.inside().shelf, name, choice);
  } catch (const Error& error) {
    throw ApiError(500, error.what(), "checkpoint");
  }
}

/// Returns what a checkpoint's trainer.json says; the step alone if it cannot be read.
Json checkpoint_json(const SavedCheckpoint& saved) {
  Json json = {{"step", saved.step}, {"tokens", nullptr}, {"validation_loss", nullptr}};
  try {
    const TrainerState state = read_trainer_state(saved.folder);
    json["tokens"] = state.tokens;
    if (state.validation_loss) json["validation_loss"] = *state.validation_loss;
  } catch (const Error&) {
    // A look at the checkpoint says what is wrong with it.
  }
  return json;
}

}  // namespace

void answer_inspect(const RouteContext& context) {
  const InspectionRequest request = read_inspection_request(context.request.body);
  begin_inspection(context.service.inside(), model_of(context, request.model, request.checkpoint), request,
                   context.response);
}

void answer_embeddings(const RouteContext& context) {
  const EmbeddingsRequest request = read_embeddings_request(context.request.body);
  begin_embedding_map(context.service.inside(), model_of(context, request.model, request.checkpoint), request,
                      context.response);
}

void answer_step(const RouteContext& context) {
  const StepRequest request = read_step_request(context.request.body);
  StepSessions& steps = context.service.inside().steps;
  if (request.action != StepAction::begin) return steps.act(request, context.response);
  steps.begin(model_of(context, request.model, request.checkpoint), request, context.response);
}

void answer_valley(const RouteContext& context) {
  const ValleyRequest request = read_valley_request(context.request.body);
  begin_valley(context.service.inside().long_work, model_of(context, request.model, request.checkpoint), request,
               context.response);
}

void answer_checkpoints(const RouteContext& context) {
  constexpr std::array<std::string_view, 1> kKnown{"model"};
  const Query query(context.request.query, kKnown);
  const Engine::Model model = context.engine.model(query.text("model").value_or(""));
  Json data = Json::array();
  for (const SavedCheckpoint& saved : checkpoints_of(*model)) data.push_back(checkpoint_json(saved));
  context.send({{"object", "list"},
                {"model", model->name()},
                {"served", model->step() ? Json(*model->step()) : Json()},
                {"n_ctx", model->config().n_ctx},
                {"data", std::move(data)}});
}

}  // namespace kiln
