// Keeps what people say about answers, in a file that trains reward models and tunes policies.
#pragma once

#include "kiln/core/json.h"
#include "kiln/serve/engine.h"

#include "serve/line_store.h"
#include <filesystem>
#include <vector>

namespace kiln {

/// The feedback in FOLDER/feedback.jsonl, in shapes that read_judgements takes. A thumb is {"prompt", "completion",
/// "label"}: a prompt with a thumb up and a thumb down becomes a pair. An edit is {"prompt", "chosen", "rejected"}: the
/// edited answer is better than the model's. Each line also names the time, the model, its checkpoint (the hash of the
/// manifest) and its chat template (ChatTemplate::hash). Any thread may call add(); other servers may use the file at
/// the same time.
class Feedback {
 public:
  /// Throws Error (io) if the folder is missing.
  explicit Feedback(const std::filesystem::path& folder);

  /// Reads {"model", "messages", "answer"} with "vote" ("up", "down", or "none", which takes a thumb back) or "edited",
  /// and maybe "checkpoint" and "template"; without these it names those of the served model. Keeps one thumb for each
  /// answer to a prompt. The line is on the disk when it returns. Throws ApiError: 400 for a body of another form, 507
  /// if the disk does not take it; nothing has changed then.
  void add(const Json& body, const std::vector<Engine::Model>& models);

 private:
  LineStore lines_;
};

}  // namespace kiln
