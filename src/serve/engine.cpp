// Other threads post what the computing thread does between two steps.
#include "kiln/serve/engine.h"

#include "kiln/core/error.h"
#include "kiln/core/format.h"
#include "kiln/core/report.h"
#include "kiln/core/stopwatch.h"
#include "kiln/infer/context.h"

#include <fmt/ranges.h>

#include "serve/api_error.h"
#include <algorithm>
#include <exception>
#include <utility>

namespace kiln {

/// A model with its decoder. A model that was replaced stays until its last sequence has ended.
struct Engine::Served {
  Served(Model served, const DecoderOptions& options) : model(std::move(served)), decoder(model->view(), options) {}

  Model model;
  Decoder decoder;
  bool replaced = false;
};

namespace {

void add(const DecoderCounts& counts, DecoderCounts& sums) {
  sums.steps += counts.steps;
  sums.fed_tokens += counts.fed_tokens;
  sums.prompt_tokens += counts.prompt_tokens;
  sums.cached_tokens += counts.cached_tokens;
  sums.drawn_tokens += counts.drawn_tokens;
  sums.sequence_steps += counts.sequence_steps;
}

}  // namespace

Engine::Engine(const std::vector<Model>& models, const EngineOptions& options)
    : options_(options), cache_bytes_(options.cache_bytes / std::max<std::size_t>(1, models.size())) {
  for (const Model& added : models) {
    for (const Model& other : models_) {
      check(other->name() != added->name(), "{} and {} are both named {}; serve one of them", other->choice().run,
            added->choice().run, added->name());
    }
    models_.push_back(added);
    served_.push_back(std::make_unique<Served>(added, decoder_options(*added)));
  }
}

Engine::~Engine() = default;

DecoderOptions Engine::decoder_options(const ServedModel& model) const {
  const std::size_t of_token = cache_bytes(model.view(), 1);
  const Index all = 2 * options_.most_sequences * model.config().n_ctx;  // more would hardly be used
  const Index positions = std::min(all, static_cast<Index>(cache_bytes_ / of_token));
  check(positions > 0, "the cache of {} has {}, and a token takes {}; allow more with --cache-memory", model.name(),
        format_bytes(static_cast<double>(cache_bytes_)), format_bytes(static_cast<double>(of_token)));
  return {.cache_positions = positions,
          .most_sequences = options_.most_sequences,
          .most_rows = std::max<Index>(256, options_.most_sequences),
          .candidates = model.tokenizer().vocab_size(),
          .deterministic = options_.deterministic};
}

std::vector<Engine::Model> Engine::models() const {
  const std::lock_guard lock(mutex_);
  return models_;
}

Engine::Model Engine::model(std::string_view name) const {
  const std::lock_guard lock(mutex_);
  if (models_.empty()) throw ApiError(404, "this server has no model; name one: kiln serve RUN", "model");
  if (name.empty()) return models_.front();
  const auto named = std::ranges::find(models_, name, [](const Model& model) { return model->name(); });
  if (named != models_.end()) return *named;
  std::vector<std::string> names;
  for (const Model& model : models_) names.push_back(model->name());
  throw ApiError(404, fmt::format("there is no model \"{}\" here; this server has {}", name, fmt::join(names, ", ")),
                 "model", {{"code", "model_not_found"}});
}

Index Engine::context(const ServedModel& model) const {
  return std::min(model.config().n_ctx, decoder_options(model).cache_positions);
}

Engine::Ticket Engine::submit(const Model& model, DecodingRequest request, DecodingEvents events) {
  const std::lock_guard lock(mutex_);
  if (finishes_ || stops_) throw ApiError(503, "the server is stopping");
  if (unfinished_ >= options_.most_sequences + options_.queue) {
    throw ApiError(503, fmt::format("{} run or wait, as many as this server takes; try again later", unfinished_));
  }
  ++unfinished_;
  const Ticket ticket = ++last_ticket_;
  posted_.emplace_back(
      [this, model, ticket, request = std::move(request), events = guarded(ticket, std::move(events))]() mutable {
        Decoder& decoder = serving(model).decoder;
        const auto on_end = events.on_end;
        try {
          tickets_[ticket] = {&decoder, decoder.add(std::move(request), std::move(events))};
        } catch (const Error& error) {  // callers check what they submit
          warn("a request could not be computed: {}", error.what());
          on_end({.finish = Finish::stop});
        }
      });
  news_.notify_one();
  return ticket;
}

void Engine::cancel(Ticket ticket) {
  post([this, ticket] {
    const auto found = tickets_.find(ticket);
    if (found == tickets_.end()) return;
    found->second.first->remove(found->second.second);
    forget(ticket);
  });
}

void Engine::post(std::function<void()> work) {
  const std::lock_guard lock(mutex_);
  posted_.push_back(std::move(work));
  news_.notify_one();
}

void Engine::replace(Model model) {
  auto served = std::make_shared<std::unique_ptr<Served>>(std::make_unique<Served>(model, decoder_options(*model)));
  const std::lock_guard lock(mutex_);
  const auto old = std::ranges::find(models_, model->name(), [](const Model& one) { return one->name(); });
  check(old != models_.end(), "there is no model {} to replace", model->name());
  *old = std::move(model);
  posted_.emplace_back([this, served] {
    for (const auto& other : served_) other->replaced |= other->model->name() == (*served)->model->name();
    served_.push_back(std::move(*served));
  });
  news_.notify_one();
}

EngineCounts Engine::counts() const {
  const std::lock_guard lock(mutex_);
  return counts_;
}

void Engine::run() {
  for (;;) {
    work_off_posted();
    const bool has_work = step_all();
    drop_replaced();
    remember_counts();
    std::unique_lock lock(mutex_);
    if (!has_work) news_.wait(lock, [this] { return !posted_.empty() || stops_ || finishes_; });
    if (stops_ || (finishes_ && unfinished_ == 0 && posted_.empty())) return;
  }
}

void Engine::finish() {
  const std::lock_guard lock(mutex_);
  finishes_ = true;
  news_.notify_one();
}

void Engine::stop() {
  const std::lock_guard lock(mutex_);
  stops_ = true;
  news_.notify_one();
}

/// Returns what runs this very model, which may have been replaced.
Engine::Served& Engine::serving(const Model& model) {
  return **std::ranges::find(served_, model, [](const auto& served) { return served->model; });
}

/// Returns the events with what the engine does at them; none of them throws.
DecodingEvents Engine::guarded(Ticket ticket, DecodingEvents events) {
  const auto shared = std::make_shared<DecodingEvents>(std::move(events));
  const auto try_to = [](const auto& tell) {
    try {
      tell();
      return true;
    } catch (const std::exception& error) {
      warn("a request ended early: {}", error.what());
      return false;
    }
  };
  DecodingEvents guarded;
  if (shared->on_prompt_token) {
    guarded.on_prompt_token = [shared, try_to](const DecodedToken& token) {
      try_to([&] { shared->on_prompt_token(token); });
    };
  }
  guarded.on_token = [shared, try_to](const DecodedToken& token) {
    bool goes_on = true;
    return try_to([&] { goes_on = !shared->on_token || shared->on_token(token); }) && goes_on;
  };
  guarded.on_end = [this, ticket, shared, try_to](const DecodingEnd& end) {
    forget(ticket);
    if (shared->on_end) try_to([&] { shared->on_end(end); });
  };
  return guarded;
}

void Engine::forget(Ticket ticket) {
  tickets_.erase(ticket);
  const std::lock_guard lock(mutex_);
  --unfinished_;
}

void Engine::work_off_posted() {
  std::vector<std::function<void()>> posted;
  {
    const std::lock_guard lock(mutex_);
    posted.swap(posted_);
  }
  for (const auto& work : posted) {
    try {
      work();
    } catch (const std::exception& error) {
      warn("{}", error.what());
    }
  }
}

/// Takes a step of each model. Returns false if none has a sequence.
bool Engine::step_all() {
  bool has_work = false;
  for (const auto& served : served_) {
    const DecoderCounts before = served->decoder.counts();
    const Stopwatch stopwatch;
    if (!served->decoder.step()) continue;
    has_work = true;
    const DecoderCounts& after = served->decoder.counts();
    const auto fed = static_cast<double>(after.fed_tokens - before.fed_tokens);
    const double share = static_cast<double>(after.prompt_tokens - before.prompt_tokens) / fed;
    prompt_seconds_ += share * stopwatch.seconds();
    drawing_seconds_ += (1 - share) * stopwatch.seconds();
  }
  return has_work;
}

/// Drops replaced models that nobody can submit to any more.
void Engine::drop_replaced() {
  std::erase_if(served_, [this](const auto& served) {
    const bool is_used = served->decoder.running() + served->decoder.waiting() > 0 || served->model.use_count() > 1;
    if (!served->replaced || is_used) return false;
    add(served->decoder.counts(), gone_);
    return true;
  });
}

void Engine::remember_counts() {
  EngineCounts counts{.decoders = gone_, .prompt_seconds = prompt_seconds_, .drawing_seconds = drawing_seconds_};
  for (const auto& served : served_) {
    add(served->decoder.counts(), counts.decoders);
    counts.running += served->decoder.running();
    counts.waiting += served->decoder.waiting();
  }
  const std::lock_guard lock(mutex_);
  counts_ = counts;
}

}  // namespace kiln
