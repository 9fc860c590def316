// kiln bench: measures how fast this machine trains and samples a config, and where the time goes.
#include "kiln/train/bench.h"

#include "kiln/core/format.h"
#include "kiln/core/processor.h"
#include "kiln/core/threads.h"

#include <nlohmann/json.hpp>

#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "cli/ranks.h"
#include <algorithm>
#include <memory>

namespace kiln::cli {
namespace {

constexpr double kGiga = 1e9, kMega = 1e6, kMilliseconds = 1e3;

struct BenchOptions {
  ConfigArguments config;
  std::size_t steps = 5;
  bool distributed = false;
  bool json = false;
};

Json to_json(const BenchReport& report) {
  const MachineLimits& machine = report.machine;
  Json parts = Json::object();
  for (const auto& [part, seconds] : report.parts) parts[part] = seconds * kMilliseconds;
  Json json{{"ms_per_step", report.step_seconds * kMilliseconds},
            {"ms_fastest", report.fastest_seconds * kMilliseconds},
            {"ms_slowest", report.slowest_seconds * kMilliseconds},
            {"steps", report.steps},
            {"precision", name_of(report.precision)},
            {"tokens_per_second", report.tokens_per_second},
            {"gflops", report.flops_per_second / kGiga},
            {"percent_of_peak", 100 * report.share_of_peak()},
            {"peak_memory_bytes", report.training_peak_bytes},
            {"prompt_tokens_per_second", Json()},
            {"decode_tokens_per_second", Json()}};
  if (report.generation) {
    json["prompt_tokens_per_second"] = report.generation->prompt_tokens_per_second;
    json["decode_tokens_per_second"] = report.generation->decode_tokens_per_second;
  }
  Json batched = Json::object();
  for (const auto& [together, speed] : report.batched_decoding) batched[std::to_string(together)] = speed;
  json["batched_decode_tokens_per_second"] = batched;  // by the number of sequences
  json["tokenizer_bytes_per_second"] = or_null(report.tokenizer_bytes_per_second);
  json["parts"] = parts;  // milliseconds per step
  json["machine"] = {{"processor", processor_name()},
                     {"threads", threads()},
                     {"fp32_gflops", machine.fp32_flops / kGiga},
                     {"bf16_gflops", machine.bf16_flops / kGiga},
                     {"gigabytes_per_second", machine.bytes_per_second / kGiga}};
  json.update(busy_json(report.waited_share));
  return json;
}

void add_machine(const BenchReport& report, Table& table) {
  const MachineLimits& machine = report.machine;
  table.heading(fmt::format("{}, {}", processor_name(), counted(threads(), "thread")));
  table.row({"fp32 peak", fmt::format("{:.0f} GFLOP/s", machine.fp32_flops / kGiga)});
  table.row({"bf16 peak", fmt::format("{:.0f} GFLOP/s", machine.bf16_flops / kGiga)});
  table.row({"memory", fmt::format("{:.1f} GB/s", machine.bytes_per_second / kGiga)});
}

void add_training(const BenchReport& report, Table& table) {
  table.heading(fmt::format("Training in {}", name_of(report.precision)));
  table.row(
      {"step", fmt::format("{:.2f} ms", report.step_seconds * kMilliseconds),
       fmt::format("({:.2f} to {:.2f}, {})", report.fastest_seconds * kMilliseconds,
                   report.slowest_seconds * kMilliseconds, counted(static_cast<std::int64_t>(report.steps), "step"))});
  table.row({"tokens/s", grouped(report.tokens_per_second)});
  table.row({"speed", fmt::format("{:.1f} GFLOP/s", report.flops_per_second / kGiga),
             fmt::format("{:.0f}% of peak", 100 * report.share_of_peak())});
  table.row({"peak memory", format_bytes(static_cast<double>(report.training_peak_bytes))});
}

void add_parts(const BenchReport& report, Table& table) {
  std::vector<std::pair<std::string, double>> parts(report.parts.begin(), report.parts.end());
  std::ranges::sort(parts, std::greater{}, &std::pair<std::string, double>::second);
  double total = 0;
  for (const auto& part : parts) total += part.second;
  table.heading("Time of a step by part");
  for (const auto& [part, seconds] : parts) {
    table.row({part, fmt::format("{:.2f} ms", seconds * kMilliseconds), fmt::format("{:.1f}%", 100 * seconds / total)});
  }
}

void add_use(const BenchReport& report, Table& table) {
  table.heading("Use");
  if (report.generation) {
    table.row({"prompt tokens/s", grouped(report.generation->prompt_tokens_per_second)});
    table.row({"decoded tokens/s", grouped(report.generation->decode_tokens_per_second)});
  }
  for (const auto& [together, speed] : report.batched_decoding) {
    if (together > 1) table.row({fmt::format("{} sequences together", together), grouped(speed), "tokens/s"});
  }
  table.row({"tokenizer", report.tokenizer_bytes_per_second
                              ? fmt::format("{:.1f} MB/s", *report.tokenizer_bytes_per_second / kMega)
                              : "data.train holds no text here"});
}

std::string to_text(const BenchReport& report) {
  Table table;
  add_machine(report, table);
  add_training(report, table);
  add_parts(report, table);
  add_use(report, table);
  const std::string note = busy_note(report.waited_share);
  return table.text() + (note.empty() ? "" : "\n" + note);
}

Json to_json(const DistributedReport& report) {
  const SharedStep& planned = report.planned;
  return {{"ranks", report.ranks},
          {"threads", threads()},
          {"processor", processor_name()},
          {"latency_microseconds", 1e6 * report.network.latency_seconds},
          {"megabytes_per_second", report.network.bytes_per_second / kMega},
          {"ms_alone", report.alone_seconds * kMilliseconds},
          {"ms_per_step", report.step_seconds * kMilliseconds},
          {"planned_ms_per_step", planned.seconds * kMilliseconds},
          {"planned_communication_ms", planned.communication_seconds * kMilliseconds},
          {"planned_waiting_ms", planned.waiting_seconds * kMilliseconds}};
}

std::string to_text(const DistributedReport& report) {
  const auto milliseconds = [](double seconds) { return fmt::format("{:.2f} ms", seconds * kMilliseconds); };
  const SharedStep& planned = report.planned;
  Table table;
  table.heading(
      fmt::format("{} of {} each, {}", counted(report.ranks, "rank"), counted(threads(), "thread"), processor_name()));
  table.row({"a message to all and back", fmt::format("{:.0f} us", 1e6 * report.network.latency_seconds)});
  table.row({"exchange of weights", fmt::format("{:.0f} MB/s", report.network.bytes_per_second / kMega)});
  table.row({"a rank's part, each alone", milliseconds(report.alone_seconds)});
  table.row({"step together", milliseconds(report.step_seconds)});
  table.row({"as the plan has it", milliseconds(planned.seconds),
             fmt::format("with {} of communication, of which {} are waited for",
                         milliseconds(planned.communication_seconds), milliseconds(planned.waiting_seconds))});
  return table.text();
}

/// Measures the ranks that mpirun or srun has started.
void run_distributed(const BenchOptions& options) {
  World& world = join_ranks();
  const Config config = options.config.config.empty() ? Config() : options.config.read();
  set_threads(config.train.threads);
  const DistributedReport report = run_distributed_bench(config, options.steps, world);
  if (!world.is_root()) return;
  options.json ? write_json(to_json(report)) : write_stdout(to_text(report));
}

void run(const BenchOptions& options) {
  if (options.distributed) return run_distributed(options);
  const Config config = options.config.config.empty() ? Config() : options.config.read();
  const BenchReport report = run_bench(config, options.steps);
  options.json ? write_json(to_json(report)) : write_stdout(to_text(report));
}

}  // namespace

void add_bench(CLI::App& app) {
  auto options = std::make_shared<BenchOptions>();
  CLI::App* command = app.add_subcommand("bench", "Measure this machine, and how fast it trains and samples a config");
  options->config.add_to(*command);
  command->get_option("CONFIG")->required(false)->description("JSON file; default: the default config");
  command->get_option("--set")->needs("CONFIG");
  add_count(*command, "--steps", options->steps,
            "minimum number of steps to time; short steps are timed for a few seconds", 1, 1'000'000);
  command->add_flag("--distributed", options->distributed,
                    "measure the ranks that mpirun or srun has started: their messages, and a step that they share "
                    "beside what kiln plan --ranks expects");
  add_json_flag(*command, options->json);
  command->footer(
      "Steps run on random tokens. FLOPs per token: 6 per parameter (except embeddings that are only looked up) plus\n"
      "6 n_layers d_model n_ctx for causal attention.\n"
      "Example: kiln bench configs/gpt2_124m.json --set train.batch_size=1 --set train.precision=bf16");
  command->callback([options] { run(*options); });
}

}  // namespace kiln::cli
