// Answers what the page of runs asks: the list, curves, samples, and how configs differ.
#include "kiln/core/error.h"
#include "kiln/core/file.h"
#include "kiln/run/config.h"
#include "kiln/run/run_directory.h"
#include "kiln/serve/service.h"

#include "serve/api_error.h"
#include "serve/pages.h"
#include "serve/query.h"
#include "serve/routes.h"
#include "serve/run_reader.h"
#include "serve/series_text.h"
#include <algorithm>
#include <filesystem>
#include <functional>
#include <iterator>
#include <memory>
#include <string>
#include <utility>

namespace kiln {
namespace {

/// The groups of curves on the page: the first whose prefix a tag of kMetrics has.
constexpr std::pair<std::string_view, std::string_view> kGroups[] = {
    {"loss/", "Losses and accuracy"},
    {"validation/reward", "Rewards and KL"},
    {"validation/gold", "Rewards and KL"},
    {"validation/kl", "Rewards and KL"},
    {"validation/", "Losses and accuracy"},
    {"training/tokens_per_second", "Speed"},
    {"training/", "Rates and norms"},
    {"reward", "Rewards and KL"},
    {"logps/", "Rewards and KL"},
    {"kl", "Rewards and KL"},
    {"beta", "Rewards and KL"},
    {"", "Others"},
};

std::string_view group_of(std::string_view tag) {
  return std::ranges::find_if(kGroups, [&](const auto& group) { return tag.starts_with(group.first); })->second;
}

Json metrics_json() {
  constexpr std::string_view kBest[] = {"none", "lowest", "highest"};
  Json metrics = Json::array();
  for (const Metric& metric : kMetrics) {
    metrics.push_back({{"key", metric.key},
                       {"name", metric.name},
                       {"axis", metric.axis},
                       {"help", metric.help},
                       {"group", group_of(metric.tag)},
                       {"is_noisy", metric.is_noisy},
                       {"best", kBest[static_cast<std::size_t>(metric.best)]}});
  }
  return metrics;
}

Json json_of_facts(const RunFacts& run) {
  Json last = Json::object();
  for (const auto& [key, value] : run.last) last[key] = value;
  return {{"name", run.name},           {"is_training", run.is_training},
          {"step", run.step},           {"total_steps", run.total_steps ? Json(*run.total_steps) : Json()},
          {"tokens", run.tokens},       {"seconds", run.seconds},
          {"objective", run.objective}, {"last", std::move(last)},
          {"config", run.config},       {"changed", run.changed},
          {"version", run.version},     {"problems", run.problems}};
}

/// Answers on the thread that reads runs. What `answer` throws becomes a reply.
void read_runs(const RouteContext& context, std::function<HttpReply(RunCatalog& runs)> answer) {
  RunReader* reader = context.service.runs();
  if (reader == nullptr) {
    throw ApiError(404, "this server watches no folder of runs; name one: kiln serve --runs DIR");
  }
  reader->post([response = context.response, answer = std::move(answer)](RunCatalog& runs) {
    send_or_refuse(response, [&] { return answer(runs); });
  });
}

Config config_of(RunCatalog& runs, const std::string& name) {
  const RunPaths paths{runs.folder(name)};
  try {
    return read_resolved_config(path_within(paths.root, paths.config().filename()));
  } catch (const Error& error) {
    throw ApiError(404, error.what(), "run");
  }
}

}  // namespace

void answer_runs(const RouteContext& context) {
  const Query query(context.request.query, {});
  const bool has_folder = context.service.runs() != nullptr;
  const Json all{{"runs", Json::array()},
                 {"metrics", metrics_json()},
                 {"has_curves", page_at("/dygraph.js").has_value()},
                 {"has_folder", has_folder}};
  if (!has_folder) return context.send(all);
  read_runs(context, [all](RunCatalog& runs) {
    Json reply = all;
    for (const RunFacts& run : runs.list()) reply["runs"].push_back(json_of_facts(run));
    return reply_of(reply);
  });
}

void answer_series(const RouteContext& context) {
  constexpr std::string_view kKnown[] = {"run", "key", "x", "points", "from", "to", "format"};
  constexpr std::string_view kFormats[] = {"json", "csv"};
  constexpr double kMostPoints = 20'000;
  const Query query(context.request.query, kKnown);
  SeriesRequest request{.runs = query.all("run"),
                        .keys = query.all("key"),
                        .axis = static_cast<RunAxis>(query.choice("x", kRunAxes)),
                        .range = {}};
  if (request.runs.empty()) throw ApiError(400, "run: is missing; name one or several", "run");
  request.range.from = query.number("from").value_or(request.range.from);
  request.range.to = query.number("to").value_or(request.range.to);
  request.range.points = static_cast<std::size_t>(query.number("points", between(2, kMostPoints)).value_or(1000));
  const bool is_csv = query.choice("format", kFormats) == 1;
  if (is_csv && request.keys.empty()) throw ApiError(400, "key: is missing; name the columns of the table", "key");
  read_runs(context, [request, is_csv](RunCatalog& runs) -> HttpReply {
    if (is_csv) return {.content_type = "text/csv; charset=utf-8", .body = series_csv(runs, request)};
    return {.body = series_json(runs, request)};
  });
}

void answer_samples(const RouteContext& context) {
  constexpr std::string_view kKnown[] = {"run"};
  read_runs(context, [name = Query(context.request.query, kKnown).required_text("run")](RunCatalog& runs) {
    Json samples = Json::array();
    for (const LoggedSample& sample : runs.samples(name).samples()) {
      samples.push_back({{"step", sample.step}, {"time", sample.time}, {"text", sample.text}});
    }
    return reply_of({{"run", name}, {"samples", std::move(samples)}});
  });
}

void answer_config_diff(const RouteContext& context) {
  constexpr std::string_view kKnown[] = {"a", "b"};
  const Query query(context.request.query, kKnown);
  read_runs(context, [a = query.required_text("a"), b = query.required_text("b")](RunCatalog& runs) {
    Json differences = Json::array();
    for (const Difference& difference : diff(config_of(runs, a), config_of(runs, b))) {
      differences.push_back({{"pointer", difference.pointer},
                             {"a", Json::parse(difference.before, nullptr, false)},
                             {"b", Json::parse(difference.after, nullptr, false)}});
    }
    return reply_of({{"a", a}, {"b", b}, {"differences", std::move(differences)}});
  });
}

}  // namespace kiln
