// kiln verify: checks whether a run's checkpoints load, before one has to.
#include "kiln/run/verify.h"

#include "kiln/core/format.h"
#include "kiln/core/shown_text.h"

#include <nlohmann/json.hpp>

#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/output.h"
#include <memory>
#include <string>

namespace kiln::cli {
namespace {

struct VerifyOptions {
  std::string run;
  bool json = false;
};

std::string name_of(const CheckpointReport& report) {
  const std::string name = report.folder.filename().string();
  return name.empty() ? report.folder.string() : name;
}

Json to_json(const FileProblem& problem) {
  return {{"file", problem.file}, {"found", problem.found}, {"expected", problem.expected}, {"remedy", problem.remedy}};
}

Json to_json(const std::vector<FileProblem>& problems) {
  Json list = Json::array();
  for (const FileProblem& problem : problems) list.push_back(to_json(problem));
  return list;
}

Json to_json(const RunReport& report) {
  Json json{{"good", report.is_good()}, {"checkpoints", Json::array()}};
  for (const CheckpointReport& checkpoint : report.checkpoints) {
    json["checkpoints"].push_back({{"name", name_of(checkpoint)},
                                   {"good", checkpoint.is_good()},
                                   {"problems", to_json(checkpoint.problems)},
                                   {"base", checkpoint.base ? to_json(*checkpoint.base) : Json()}});
  }
  for (const PointerReport& pointer : report.pointers) {
    json[pointer.name] = {{"target", or_null(pointer.target)},
                          {"problem", pointer.problem ? to_json(*pointer.problem) : Json()}};
  }
  if (!report.metrics) return json;
  const MetricsReport& metrics = *report.metrics;
  json["metrics"] = {{"rows", metrics.rows},
                     {"first_step", metrics.first_step},
                     {"last_step", metrics.last_step},
                     {"ends_within_a_line", metrics.ends_within_a_line},
                     {"problems", to_json(metrics.problems)}};
  json["temporaries"] = report.temporaries;
  return json;
}

/// Returns a line with a name and its description, and one for each problem.
std::string lines(const std::string& name, const std::string& text, const std::vector<FileProblem>& problems) {
  std::string all = fmt::format("{} {}\n", padded_right(printable(name), 14), printable(text));
  for (const FileProblem& problem : problems) all += fmt::format("  {}\n", printable(to_string(problem)));
  return all;
}

std::string lines(const MetricsReport& metrics) {
  std::string text = counted(static_cast<std::int64_t>(metrics.rows), "row");
  if (metrics.rows > 0) text += fmt::format(", steps {} to {}", metrics.first_step, metrics.last_step);
  if (metrics.ends_within_a_line) text += "; the last line is cut off and is skipped";
  return lines("metrics.jsonl", text, metrics.problems);
}

std::string state_of(const CheckpointReport& report) {
  if (!report.problems.empty()) return "damaged";
  return report.base ? "sound, but its base model is not as it was" : "good";
}

std::string to_text(const RunReport& report) {
  std::string text;
  for (const CheckpointReport& checkpoint : report.checkpoints) {
    std::vector<FileProblem> problems = checkpoint.problems;
    if (checkpoint.base) problems.push_back(*checkpoint.base);
    text += lines(name_of(checkpoint), state_of(checkpoint), problems);
  }
  if (report.checkpoints.empty()) text += "no checkpoint yet\n";
  for (const PointerReport& pointer : report.pointers) {
    const std::vector<FileProblem> problems(pointer.problem ? 1 : 0, pointer.problem.value_or(FileProblem()));
    text += lines(pointer.name, pointer.target ? *pointer.target : "none", problems);
  }
  if (report.metrics) text += lines(*report.metrics);
  for (const std::string& name : report.temporaries) {
    text += fmt::format("{}: a save in progress, or interrupted; the next one removes it\n", printable(name));
  }
  return text;
}

void run_verify(const VerifyOptions& options) {
  const RunReport report = examine(options.run);
  options.json ? write_json(to_json(report)) : write_stdout(to_text(report));
  if (!report.is_good()) throw ExitWith{static_cast<int>(ExitCode::failure)};
}

}  // namespace

void add_verify(CLI::App& app) {
  auto options = std::make_shared<VerifyOptions>();
  CLI::App* command = app.add_subcommand("verify", "Check every checkpoint of a run, byte for byte");
  command->add_option("RUN", options->run, "run directory, or one checkpoint folder")->required()->type_name("DIR");
  add_json_flag(*command, options->json);
  command->footer(
      "Compares all files with the sizes and checksums of the manifests, and tensors with configs; checks steps, "
      "pointers and\n"
      "metrics. Changes nothing. Exits with 0 if all is good, 1 if something is wrong, 3 if RUN is not a run.\n"
      "Example: kiln verify runs/tales");
  command->callback([options] { run_verify(*options); });
}

}  // namespace kiln::cli
