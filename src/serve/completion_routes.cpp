// Answers OpenAI's paths.
#include "serve/generation.h"
#include "serve/generation_request.h"
#include "serve/routes.h"

namespace kiln {

void answer_chat_completion(const RouteContext& context) {
  begin_generation(context.engine, read_chat_request(context.request.body), context.response);
}

void answer_completion(const RouteContext& context) {
  begin_generation(context.engine, read_completion_request(context.request.body), context.response);
}

void answer_models(const RouteContext& context) {
  Json models = Json::array();
  for (const Engine::Model& model : context.engine.models()) {
    Json meta = {{"n_vocab", model->view().vocab_size},
                 {"n_ctx", context.engine.context(*model)},
                 {"n_ctx_train", model->config().n_ctx},
                 {"n_embd", model->config().d_model},
                 {"n_params", model->loaded().model->layout.count()},
                 {"step", model->step() ? Json(*model->step()) : Json()},
                 {"template", kChatTemplateKinds[static_cast<std::size_t>(model->chat().kind())]}};
    models.push_back({{"id", model->name()},
                      {"object", "model"},
                      {"created", model->created()},
                      {"owned_by", "kiln"},
                      {"meta", std::move(meta)}});
  }
  context.send({{"object", "list"}, {"data", std::move(models)}});
}

}  // namespace kiln
