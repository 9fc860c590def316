// kiln plan: shows what a config costs before training.
#include "kiln/train/plan.h"

#include "kiln/core/format.h"

#include <nlohmann/json.hpp>
#include <spdlog/spdlog.h>

#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/output.h"
#include <memory>
#include <optional>
#include <string>

namespace kiln::cli {
namespace {

constexpr double kComputeOptimal = 20;  // tokens per parameter, Hoffmann et al., arXiv:2203.15556

struct PlanOptions {
  ConfigArguments config;
  int ranks = 0;  // 0: no cluster
  std::string network = "10Gbit/s,50us";
  int cores = 0;  // 0: the threads in use here
  bool json = false;
};

std::string_view to_string(SpeedSource source) {
  return source == SpeedSource::timed_steps ? "timed_steps" : "matrix_products";
}

Json to_json(const std::optional<PlannedWork>& work) {
  if (!work) return nullptr;
  return {{"count", work->count}, {"seconds", work->seconds}};
}

Json to_json(const PlannedRollout& rollout) {
  return {{"answers", rollout.answers},
          {"drawing_seconds", rollout.drawing_seconds},
          {"training_seconds", rollout.training_seconds},
          {"decode_tokens_per_second", rollout.decode_tokens_per_second},
          {"answers_per_hour", rollout.answers_per_hour()}};
}

Json to_json(const MemoryPlan& memory) {
  return {{"weights", memory.weights},         {"gradients", memory.gradients},   {"optimizer", memory.optimizer},
          {"activations", memory.activations}, {"evaluation", memory.evaluation}, {"checkpoint", memory.checkpoint},
          {"rollout", memory.rollout},         {"program", memory.program},       {"total", memory.total()}};
}

Json to_json(const SharedStep& step) {
  return {{"ranks", step.ranks},
          {"step_seconds", step.seconds},
          {"compute_seconds", step.compute_seconds},
          {"communication_seconds", step.communication_seconds},
          {"waiting_seconds", step.waiting_seconds},
          {"bytes_sent", step.bytes_sent}};
}

Json to_json(const ClusterPlan& cluster) {
  Json json = to_json(cluster.step);
  json["alone_seconds"] = cluster.alone_seconds;
  json["efficiency"] = cluster.efficiency();
  json["memory_bytes"] = to_json(cluster.memory);
  json["worthwhile_ranks"] = cluster.worthwhile;
  json["by_ranks"] = Json::array();
  for (const SharedStep& step : cluster.by_ranks) json["by_ranks"].push_back(to_json(step));
  return json;
}

Json to_json(const Plan& plan) {
  const Json busy = busy_json(plan.waited_share);
  const ParameterCounts& p = plan.parameters;
  Json memory = to_json(plan.memory);
  memory["available"] = plan.available_memory;
  return {{"parameters",
           {{"token_embedding", p.token_embedding},
            {"position_embedding", p.position_embedding},
            {"attention", p.attention},
            {"mlp", p.mlp},
            {"norm", p.norm},
            {"bias", p.bias},
            {"unembedding", p.unembedding},
            {"adapters", p.adapters},
            {"score", p.score},
            {"total", p.total},
            {"total_without_embeddings", p.total_without_token_embedding},
            {"total_tied", p.total_tied},
            {"total_untied", p.total_untied}}},
          {"memory_bytes", memory},
          {"flops_per_token", plan.flops_per_token},
          {"steps", or_null(plan.steps)},
          {"tokens", or_null(plan.tokens)},
          {"tokens_per_parameter", or_null(plan.tokens_per_parameter)},
          {"reference", to_json(plan.reference)},
          {"reference_tokens", plan.reference_tokens},
          {"evaluations", to_json(plan.evaluations)},
          {"evaluated_tokens", plan.evaluated_tokens},
          {"samples", to_json(plan.samples)},
          {"saves", to_json(plan.saves)},
          {"tokens_per_second", plan.tokens_per_second},
          {"throughput_source", to_string(plan.speed_source)},
          {"waited_share", busy["waited_share"]},
          {"busy", busy["busy"]},
          {"wall_seconds", or_null(plan.wall_seconds)},
          {"checkpoint_bytes", plan.checkpoint_bytes},
          {"rollout", plan.rollout ? to_json(*plan.rollout) : Json()},
          {"cluster", plan.cluster ? to_json(*plan.cluster) : Json()}};
}

void add_parameters(const ParameterCounts& counts, Table& table) {
  table.heading("Parameters");
  const auto share = [&](Index count) {
    return fmt::format("{:.1f}%", 100 * static_cast<double>(count) / static_cast<double>(counts.total));
  };
  const auto part = [&](const char* name, Index count) { table.row({name, format_count(count), share(count)}); };
  part("token embedding", counts.token_embedding);
  part("position embedding", counts.position_embedding);
  part("attention", counts.attention);
  part("MLP", counts.mlp);
  part("norms", counts.norm);
  part("biases", counts.bias);
  part("unembedding", counts.unembedding);
  if (counts.score > 0) part("score head", counts.score);
  if (counts.adapters > 0) part("adapters, which train", counts.adapters);
  part("total", counts.total);
  part("total without token embedding", counts.total_without_token_embedding);
  table.row({"total if tied", format_count(counts.total_tied)});
  table.row({"total if untied", format_count(counts.total_untied)});
}

void add_memory(const Plan& plan, Table& table) {
  const auto row = [&](const char* name, std::uint64_t bytes) {
    table.row({name, format_bytes(static_cast<double>(bytes))});
  };
  table.heading("Memory of training");
  row("weights", plan.memory.weights);
  row("gradients", plan.memory.gradients);
  row("optimizer", plan.memory.optimizer);
  row("activations", plan.memory.activations);
  row("evaluation", plan.memory.evaluation);
  row("copy for checkpoints", plan.memory.checkpoint);
  if (plan.memory.rollout > 0) row("reference and drawing", plan.memory.rollout);
  row("program and libraries", plan.memory.program);
  row("total", plan.memory.total());
  row("available here", plan.available_memory);
}

void add_work(const Plan& plan, Table& table) {
  constexpr const char* kUnknown = "depends on the data";
  table.heading("Work");
  table.row({"steps", plan.steps ? format_count(*plan.steps) : kUnknown});
  table.row({"tokens", plan.tokens ? format_count(*plan.tokens) : kUnknown});
  table.row(
      {"tokens per parameter", plan.tokens_per_parameter ? approximate(*plan.tokens_per_parameter, 3) : kUnknown});
  table.row({"FLOPs per token", fmt::format("{:.3g}", plan.flops_per_token)});
  const double speed = plan.tokens_per_second;
  table.row({"tokens/s", speed < 100 ? fmt::format("{:.3g}", speed) : grouped(speed)});
  const auto add = [&](const char* name, const std::optional<PlannedWork>& work, const std::string& each = "") {
    if (!work) return table.row({name, kUnknown});
    if (work->count > 0) table.row({name, format_count(work->count), format_duration(work->seconds) + each});
  };
  add("reference pass", plan.reference, ", " + counted(plan.reference_tokens, "token"));
  add("evaluations", plan.evaluations, fmt::format(", {} each", counted(plan.evaluated_tokens, "token")));
  add("samples", plan.samples);
  add("saves", plan.saves);
  table.row({"time of training", plan.wall_seconds ? format_duration(*plan.wall_seconds) : kUnknown});
  table.row({"disk per checkpoint", format_bytes(static_cast<double>(plan.checkpoint_bytes))});
}

void add_rollout(const PlannedRollout& rollout, Table& table) {
  table.heading("Rollouts");
  table.row({"answers of a rollout", format_count(rollout.answers)});
  table.row({"drawing them", format_duration(rollout.drawing_seconds),
             fmt::format("{} tokens/s", grouped(rollout.decode_tokens_per_second))});
  table.row({"training on them", format_duration(rollout.training_seconds)});
  table.row({"answers an hour", grouped(rollout.answers_per_hour())});
}

void add_cluster(const ClusterPlan& cluster, Table& table) {
  const SharedStep& step = cluster.step;
  table.heading(fmt::format("A step of {}", counted(step.ranks, "rank")));
  table.row({"memory of a rank", format_bytes(static_cast<double>(cluster.memory.total()))});
  table.row({"computing", format_duration(step.compute_seconds)});
  table.row({"communication", format_duration(step.communication_seconds),
             format_bytes(step.bytes_sent) + " sent by a rank"});
  table.row({"waiting for it", format_duration(step.waiting_seconds)});
  table.row({"step", format_duration(step.seconds),
             fmt::format("{} on one machine", format_duration(cluster.alone_seconds))});
  table.row({"efficiency", fmt::format("{:.0f}%", 100 * cluster.efficiency())});
  table.heading("Steps by ranks");
  for (const SharedStep& other : cluster.by_ranks) {
    table.row({counted(other.ranks, "rank"), format_duration(other.seconds),
               other.ranks == cluster.worthwhile ? "more ranks hardly shorten it" : ""});
  }
}

std::string to_text(const Plan& plan) {
  Table table;
  add_parameters(plan.parameters, table);
  add_memory(plan, table);
  if (plan.rollout) add_rollout(*plan.rollout, table);
  add_work(plan, table);
  if (plan.cluster) add_cluster(*plan.cluster, table);
  std::string notes = plan.speed_source == SpeedSource::timed_steps
                          ? "\ntokens/s: the median of a few timed steps on this machine\n"
                          : "\ntokens/s: estimated from the speed of this machine's matrix products\n";
  if (plan.rollout) notes += "rollouts: if every answer is as long as policy.max_tokens, to prompts of 32 tokens\n";
  if (plan.by_clock) notes += "steps, tokens: what fits into train.time_budget at this speed\n";
  if (plan.from_sample) notes += "tokens of the text: estimated from a sample of it\n";
  if (!plan.evaluations)
    notes += "evaluations: they score all held-out text, whose length is unknown because the data are not here\n";
  const bool has_reference_pass = !plan.reference || plan.reference->count > 0;
  notes += fmt::format("time: from the first step to the last save, without {}reading and encoding the text\n",
                       has_reference_pass ? "the reference pass, and without " : "");
  notes += fmt::format("{} tokens per parameter are compute-optimal (arXiv:2203.15556)\n", kComputeOptimal);
  return table.text() + notes + busy_note(plan.waited_share);
}

void run_plan(const PlanOptions& options) {
  std::optional<Cluster> cluster;
  if (options.ranks > 0) {
    cluster = Cluster{.ranks = options.ranks,
                      .network = parse_network(options.network),
                      .cores = options.cores > 0 ? std::optional(options.cores) : std::nullopt};
  }
  const Plan plan = make_plan(options.config.read(), cluster);
  options.json ? write_json(to_json(plan)) : write_stdout(to_text(plan));
  if (plan.memory.total() > plan.available_memory) spdlog::warn("training would not fit into this machine's memory");
}

}  // namespace

void add_plan(CLI::App& app) {
  auto options = std::make_shared<PlanOptions>();
  CLI::App* command = app.add_subcommand("plan", "Count parameters, memory, FLOPs and time before the first step");
  options->config.add_to(*command);
  add_count(*command, "--ranks", options->ranks, "also plan a step that so many machines share, one rank on each", 1,
            1'000'000)
      ->default_str("");
  command->add_option("--network", options->network, "what joins them: rate and latency")
      ->type_name("RATE,LATENCY")
      ->needs("--ranks");
  add_count(*command, "--cores", options->cores, "cores of each of these machines, as fast as those here", 1, 100'000)
      ->default_str("")
      ->needs("--ranks");
  add_json_flag(*command, options->json);
  command->footer(
      "kiln plan needs no data and no trained tokenizer. If the data exist, it reads from them how long epochs and "
      "evaluations\n"
      "are. It also counts models that do not fit into memory.\n"
      "Example: kiln plan configs/gpt2_124m.json --set train.batch_size=2");
  command->callback([options] { run_plan(*options); });
}

}  // namespace kiln::cli
