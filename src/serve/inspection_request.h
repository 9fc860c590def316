// Reads the bodies of /v1/inspect and of the paths below it.
#pragma once

#include "kiln/infer/sampler.h"

#include "serve/checkpoint_shelf.h"
#include "serve/generation_request.h"
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace kiln {

/// A head whose attention is asked for.
struct HeadChoice {
  Index layer = 0, head = 0;
};

/// What a client asks to see of a model's inside. All is computed from one forward of a text.
struct InspectionRequest {
  std::string model = {};            // "": the first
  CheckpointChoice checkpoint = {};  // "checkpoint": a step or "untrained"
  PromptInput input = {};            // "text" or "tokens", unless there are messages
  std::vector<ChatMessage> messages = {};
  Index top = 10;                       // likeliest tokens at each position
  bool has_lens = false;                // "layers"
  bool has_all_heads = false;           // "attention": "all"
  std::optional<HeadChoice> head = {};  // "attention": {"layer", "head"}
  Index continuation = 0;               // "continue": tokens to draw after the text, at most
  SamplingOptions sampling = {};        // of those
  std::uint64_t seed = 1337;
};

/// Reads the body. Throws ApiError (400), and nothing else, with the field's name. Whoever knows the model checks
/// tokens, layers and heads.
InspectionRequest read_inspection_request(std::string_view body);

/// Which tokens' places in the embedding a client asks for.
struct EmbeddingsRequest {
  std::string model = {};
  CheckpointChoice checkpoint = {};
  Index first = 400;                 // the first tokens of the vocabulary that people can read
  std::vector<TokenId> tokens = {};  // further ones
  std::optional<TokenId> neighbours_of = {};
  Index count = 12;  // neighbours
};

/// Reads the body. Throws ApiError (400).
EmbeddingsRequest read_embeddings_request(std::string_view body);

enum class StepAction { begin, step, undo, reset, end };

/// What a client asks of a session of gradient steps. Without a session, it begins one on a text.
struct StepRequest {
  StepAction action = StepAction::begin;
  std::string session = {};
  double rate = 0;  // of a step

  // Of a beginning:
  std::string model = {};
  CheckpointChoice checkpoint = {};
  PromptInput input = {};   // "text" or "tokens"
  std::string target = {};  // the true next words; "": the text's last token
  bool scores_all = false;  // "loss": "all" tokens of the text, not "target" alone
  Index top = 10;           // likeliest tokens where the target begins
};

/// Reads the body. Throws ApiError (400).
StepRequest read_step_request(std::string_view body);

/// The plane in which a client asks for the loss of a text.
struct ValleyRequest {
  std::string model = {};
  CheckpointChoice checkpoint = {};
  PromptInput input = {};  // "text" or "tokens"
  bool held_out = false;   // "data": "held_out": in place of both, windows of the run's held-out text
  bool along_run = false;  // "directions": "run", not "random"
  Index size = 21;         // points of each axis, odd
  double extent = 1;       // of a random plane: from -extent to extent
  std::uint64_t seed = 1;  // of a random plane
};

/// Reads the body. Throws ApiError (400).
ValleyRequest read_valley_request(std::string_view body);

}  // namespace kiln
