// A body as a chat completion and as a completion: what is taken is within its ranges, what is refused is a 400.
#include "serve/api_error.h"
#include "serve/generation_request.h"
#include "target.h"

namespace kiln::fuzz {
namespace {

/// Reads the body. Returns whether it was taken.
bool attempt(std::string_view body, GenerationRequest (*read)(std::string_view)) {
  try {
    const GenerationRequest request = read(body);
    request.sampling.validate();
    require(request.n >= 1 && request.n <= 128, "n is {}", request.n);
    require(!request.max_tokens || *request.max_tokens >= 0, "max_tokens is {}", *request.max_tokens);
    require(request.stops.size() <= 4, "{} stop texts", request.stops.size());
    require(request.top >= 0 && request.top <= 20, "{} likeliest tokens", request.top);
    require(request.is_chat ? !request.messages.empty() : !request.prompts.empty(), "nothing to answer");
    return true;
  } catch (const ApiError& error) {
    require(error.status() == 400, "refused with {}: {}", error.status(), error.what());
    (void)error.reply();
    return false;
  }
}

}  // namespace

void fuzz_request_body(std::string_view input) {
  const bool is_chat = attempt(input, read_chat_request), is_completion = attempt(input, read_completion_request);
  check(is_chat || is_completion, "refused by both");
}

}  // namespace kiln::fuzz
