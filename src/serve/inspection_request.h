// Reads the bodies of /v1/inspect and /v1/inspect/embeddings.
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

}  // namespace kiln
