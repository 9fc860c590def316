// Answers what monitors ask: whether the server is well, what it serves, and its counts.
#include "kiln/core/error.h"
#include "kiln/serve/service.h"

#include "serve/api_error.h"
#include "serve/routes.h"

namespace kiln {

void answer_health(const RouteContext& context) { context.send({{"status", "ok"}}); }

void answer_props(const RouteContext& context) {
  const Engine::Model model = context.engine.model("");
  const SamplingOptions sampling;
  context.send({{"default_generation_settings",
                 {{"n_ctx", context.engine.context(*model)},
                  {"params",
                   {{"temperature", sampling.temperature},
                    {"top_k", sampling.top_k},
                    {"top_p", sampling.top_p},
                    {"min_p", sampling.min_p},
                    {"repeat_penalty", sampling.repetition_penalty}}}}},
                {"total_slots", context.engine.options().most_sequences},
                {"model_path", model->folder().string()},
                {"model_alias", model->name()},
                {"chat_template", model->chat().jinja()},
                {"modalities", {{"vision", false}, {"audio", false}}},
                {"build_info", "kiln " KILN_VERSION}});
}

void answer_metrics(const RouteContext& context) {
  const EngineCounts counts = context.engine.counts();
  const DecoderCounts& sums = counts.decoders;
  std::string text;
  const auto add = [&](std::string_view name, std::string_view type, std::string_view help, auto value) {
    text +=
        fmt::format("# HELP llamacpp:{0} {1}\n# TYPE llamacpp:{0} {2}\nllamacpp:{0} {3}\n", name, help, type, value);
  };
  const auto rate = [](double count, double seconds) { return seconds > 0 ? count / seconds : 0.0; };
  add("prompt_tokens_total", "counter", "Tokens of prompts that were computed.", sums.prompt_tokens);
  add("prompt_cached_tokens_total", "counter", "Tokens of prompts that the cache held.", sums.cached_tokens);
  add("prompt_seconds_total", "counter", "Seconds spent on prompts.", counts.prompt_seconds);
  add("tokens_predicted_total", "counter", "Tokens drawn.", sums.drawn_tokens);
  add("tokens_predicted_seconds_total", "counter", "Seconds spent on drawing.", counts.drawing_seconds);
  add("n_decode_total", "counter", "Forwards of a model.", sums.steps);
  add("prompt_tokens_seconds", "gauge", "Tokens of prompts per second.",
      rate(static_cast<double>(sums.prompt_tokens), counts.prompt_seconds));
  add("predicted_tokens_seconds", "gauge", "Tokens drawn per second.",
      rate(static_cast<double>(sums.drawn_tokens), counts.drawing_seconds));
  add("n_busy_slots_per_decode", "gauge", "Sequences in a forward, on average.",
      rate(static_cast<double>(sums.sequence_steps), static_cast<double>(sums.steps)));
  add("requests_processing", "gauge", "Sequences that run.", counts.running);
  add("requests_deferred", "gauge", "Sequences that wait.", counts.waiting);
  context.response->send({.content_type = "text/plain; version=0.0.4; charset=utf-8", .body = std::move(text)});
}

void answer_reload(const RouteContext& context) {
  try {
    context.send({{"reloaded", context.service.reload()}});
  } catch (const Error& error) {
    throw ApiError(500, error.what());
  }
}

}  // namespace kiln
