// Scores answers by a reward model, for clients of the server.
#pragma once

#include "kiln/serve/engine.h"
#include "kiln/serve/http_server.h"
#include "kiln/text/chat_template.h"
#include "kiln/train/reward_model.h"

#include "serve/piecewise_work.h"
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace kiln {

/// A conversation, and answers to its last message.
struct ScoreRequest {
  std::vector<ChatMessage> messages;
  std::vector<std::string> answers;
};

inline constexpr std::size_t kMostScored = 256;  // answers of a request

/// Reads the body of /v1/score. Throws ApiError (400), and nothing else, with the field's name.
ScoreRequest read_score_request(std::string_view body);

/// The reward model of a server. Any thread may call begin().
class Scorer {
 public:
  /// The engine must outlive this object.
  Scorer(Engine& engine, std::shared_ptr<const RewardModel> model);

  /// Queues the work, an answer at a time, which sends the reply: {"object": "scores", "model", "scores"}, with null
  /// for an answer that is empty or longer than the context. Throws ApiError (503) if too many requests wait.
  void begin(ScoreRequest request, std::shared_ptr<HttpResponse> response);

 private:
  std::shared_ptr<const RewardModel> model_;
  PiecewiseWork work_;
};

}  // namespace kiln
