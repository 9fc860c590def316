// Answers requests for chat completions and completions.
#pragma once

#include "kiln/serve/engine.h"
#include "kiln/serve/http_server.h"

#include "serve/generation_request.h"
#include <memory>

namespace kiln {

/// Submits the answers of a request, and writes the reply as they come. Ends them when the client goes. Throws
/// ApiError, before anything is sent: 400 for a prompt that the model cannot continue, exceed_context_size_error with
/// n_prompt_tokens and n_ctx for one that is too long, and as Engine::model and submit do.
void begin_generation(Engine& engine, const GenerationRequest& request, std::shared_ptr<HttpResponse> response);

}  // namespace kiln
