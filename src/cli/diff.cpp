// kiln diff: shows what training, a resume or another setting changed.
#include "kiln/core/error.h"
#include "kiln/core/file.h"
#include "kiln/core/format.h"
#include "kiln/core/shown_text.h"
#include "kiln/run/compare.h"
#include "kiln/run/run_directory.h"
#include "kiln/tensor/safetensors_header.h"

#include <nlohmann/json.hpp>

#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/output.h"
#include <algorithm>
#include <cmath>
#include <memory>
#include <string>

namespace kiln::cli {
namespace {

struct DiffOptions {
  std::string a, b;
  std::optional<std::string> checkpoint;
  bool weights_alone = false;
  bool json = false;
};

/// Opens a model; --checkpoint applies only to run directories.
ModelSource open(const std::string& run, const std::optional<std::string>& checkpoint) {
  const bool is_run = is_folder(RunPaths{run}.checkpoints());
  return open_model(run, is_run ? checkpoint : std::nullopt);
}

Json number(double value) { return std::isfinite(value) ? Json(value) : Json(); }

Json to_json(const TensorDifference& tensor) {
  Json json{
      {"name", tensor.name}, {"shape_a", tensor.shape_a}, {"shape_b", tensor.shape_b}, {"equal", tensor.is_equal}};
  const bool measured = tensor.is_comparable();
  json["max_abs"] = measured ? number(tensor.max_abs) : Json();
  json["rms"] = measured ? number(tensor.rms) : Json();
  json["relative_rms"] = measured ? number(tensor.relative_rms) : Json();
  return json;
}

Json to_json(const std::vector<TensorDifference>& tensors) {
  Json json = Json::array();
  for (const TensorDifference& tensor : tensors) json.push_back(to_json(tensor));
  return json;
}

Json to_json(const CheckpointComparison& comparison) {
  Json json{{"equal", comparison.is_equal()}, {"config", Json::array()}};
  for (const Difference& d : comparison.config) {
    json["config"].push_back({{"pointer", d.pointer}, {"a", Json::parse(d.before)}, {"b", Json::parse(d.after)}});
  }
  json["tokenizer"] = {
      {"equal", comparison.same_tokenizer}, {"a", comparison.tokenizer_a}, {"b", comparison.tokenizer_b}};
  json["tensors"] = to_json(comparison.tensors);
  return json;
}

std::string text_of(double value) { return std::isnan(value) ? "not finite" : fmt::format("{:.3g}", value); }

std::string shape_or_none(const std::vector<Index>& shape) { return shape.empty() ? "none" : shape_text(shape); }

enum class Listed { different, all };

std::string tensor_table(const std::vector<TensorDifference>& tensors, Listed listed) {
  Table table;
  table.row({"tensor", "shape", "max |b - a|", "RMS of b - a", "over RMS of a"});
  for (const TensorDifference& tensor : tensors) {
    if (tensor.is_equal) {
      if (listed == Listed::all) table.row({tensor.name, shape_text(tensor.shape_a), "equal", "", ""});
    } else if (tensor.is_comparable()) {
      table.row({tensor.name, shape_text(tensor.shape_a), text_of(tensor.max_abs), text_of(tensor.rms),
                 text_of(tensor.relative_rms)});
    } else {
      table.row({tensor.name, shape_or_none(tensor.shape_a) + " -> " + shape_or_none(tensor.shape_b), "", "", ""});
    }
  }
  return table.text();
}

std::string weights_text(const std::vector<TensorDifference>& tensors, Listed listed) {
  const auto different = std::ranges::count(tensors, false, &TensorDifference::is_equal);
  if (different == 0) return fmt::format("weights: equal, every bit of {}\n", counted(std::ssize(tensors), "tensor"));
  return fmt::format("weights: {} of {} differ\n", different, counted(std::ssize(tensors), "tensor")) +
         tensor_table(tensors, listed);
}

std::string to_text(const CheckpointComparison& comparison) {
  std::string text = comparison.config.empty() ? "config: equal\n" : "config:\n";
  for (const Difference& difference : comparison.config) text += "  " + printable(to_string(difference)) + "\n";
  text += comparison.same_tokenizer
              ? fmt::format("tokenizer: equal ({})\n", comparison.tokenizer_a)
              : fmt::format("tokenizer: {} -> {}, different\n", comparison.tokenizer_a, comparison.tokenizer_b);
  return text + weights_text(comparison.tensors, Listed::different);
}

void run_diff(const DiffOptions& options) {
  const CheckpointComparison comparison =
      compare(open(options.a, options.checkpoint), open(options.b, options.checkpoint));
  const bool is_equal = options.weights_alone ? comparison.has_equal_weights() : comparison.is_equal();
  if (!options.json) {
    write_stdout(options.weights_alone ? weights_text(comparison.tensors, Listed::all) : to_text(comparison));
  } else if (options.weights_alone) {
    write_json({{"equal", is_equal}, {"tensors", to_json(comparison.tensors)}});
  } else {
    write_json(to_json(comparison));
  }
  if (!is_equal) throw ExitWith{static_cast<int>(ExitCode::failure)};
}

}  // namespace

void add_diff(CLI::App& app) {
  auto options = std::make_shared<DiffOptions>();
  CLI::App* command = app.add_subcommand("diff", "Compare two checkpoints: config, tokenizer, weights by tensor");
  constexpr const char* kRun = "run directory, checkpoint folder or Hugging Face model folder";
  command->add_option("A", options->a, kRun)->required()->type_name("DIR");
  command->add_option("B", options->b, kRun)->required()->type_name("DIR");
  command
      ->add_option("--checkpoint", options->checkpoint,
                   "checkpoint of run directories; default: best if there is one, else latest")
      ->type_name("latest|best|STEP");
  command->add_flag("--weights", options->weights_alone,
                    "compare only the weights, not config and tokenizer; list equal tensors too");
  add_json_flag(*command, options->json);
  command->footer(
      "Exits with 0 if config, tokenizer and every bit of the weights are equal (with --weights, if the weights are), "
      "else\n"
      "with 1.\n"
      "Example: kiln diff runs/tales/checkpoints/step-00000000 runs/tales");
  command->callback([options] { run_diff(*options); });
}

}  // namespace kiln::cli
