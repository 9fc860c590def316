// kiln gradcheck: compares the backward pass of a config's model with central differences.
#include "kiln/core/error.h"
#include "kiln/core/format.h"
#include "kiln/core/memory.h"
#include "kiln/nn/language_model.h"
#include "kiln/train/gradient_check.h"

#include <nlohmann/json.hpp>
#include <spdlog/spdlog.h>

#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/output.h"
#include <algorithm>
#include <memory>

namespace kiln::cli {
namespace {

constexpr double kWork = 4e10;  // floating-point operations of a check, unless --entries asks for more

struct GradcheckOptions {
  ConfigArguments config;
  Index entries = 0;
  bool json = false;
};

/// Returns the options of a check: `entries` per tensor, or if that is 0, as many as kWork allows.
GradientCheckOptions sampling(const ParameterLayout& layout, const Config& config, Index entries) {
  GradientCheckOptions check{.seed = config.seed, .recompute = config.train.recompute};
  check.objective = config.objective;
  check.policy = config.policy;
  if (config.objective.type != ObjectiveKind::next_token) check.batch_size = 3;
  const auto positions = static_cast<double>(check.batch_size * check.sequence_length);
  const double forward = 2 * static_cast<double>(layout.count()) * positions;  // a multiplication and an addition
  const double an_entry_of_each = 2 * forward * static_cast<double>(layout.parameters().size());
  const auto affordable = static_cast<Index>(kWork / an_entry_of_each);
  check.entries_per_tensor = entries > 0 ? entries : std::clamp<Index>(affordable, 1, check.entries_per_tensor);
  return check;
}

/// Returns what a sequence of a check is called.
std::string_view unit_of(const GradientCheckOptions& options) {
  if (is_of_preferences(options.objective.type)) return "judged answer";
  if (is_of_policy(options.objective.type)) return "drawn answer";
  return options.objective.type == ObjectiveKind::sft ? "conversation" : "sequence";
}

/// Throws Error (usage) if weights and gradients in double do not fit into memory. Activations of so few tokens are
/// negligible.
void require_memory(const ParameterLayout& layout) {
  const std::uint64_t needed = 2 * static_cast<std::uint64_t>(layout.extent()) * sizeof(double);
  const std::uint64_t available = available_memory_bytes();
  check(needed <= available,
        "checking the gradients of {} parameters in double needs {} of memory and {} are available; choose a smaller "
        "model, as with --set model.n_layers=1",
        format_count(layout.count()), format_bytes(static_cast<double>(needed)),
        format_bytes(static_cast<double>(available)));
}

Json to_json(const std::vector<TensorGradientCheck>& tensors, const GradientCheckOptions& options, bool passed) {
  Json list = Json::array();
  for (const TensorGradientCheck& tensor : tensors) {
    list.push_back({{"name", tensor.name},
                    {"entries", tensor.entries},
                    {"analytic", tensor.analytic},
                    {"numeric", tensor.numeric},
                    {"error", tensor.error},
                    {"passed", tensor.passed}});
  }
  return {{"passed", passed},
          {"batch", fmt::format("{}s", unit_of(options))},
          {"tolerance", options.tolerance},
          {"tensors", std::move(list)}};
}

std::string to_text(const std::vector<TensorGradientCheck>& tensors) {
  Table table;
  table.row({"tensor", "entries", "analytic", "numeric", "error", ""});
  for (const TensorGradientCheck& tensor : tensors) {
    table.row({tensor.name, std::to_string(tensor.entries), fmt::format("{:.6e}", tensor.analytic),
               fmt::format("{:.6e}", tensor.numeric), fmt::format("{:.1e}", tensor.error),
               tensor.passed ? "ok" : "FAILED"});
  }
  return table.text();
}

void run_gradcheck(const GradcheckOptions& options) {
  check(options.entries >= 0, "--entries {}: a number of entries is expected, or 0", options.entries);
  const Config config = options.config.read();
  const Index vocab_size = config.tokenizer.vocab_size;
  const LanguageModel<double> model(config.model, vocab_size);
  require_memory(model.layout);
  const GradientCheckOptions sampled = sampling(model.layout, config, options.entries);
  spdlog::info("{}, vocabulary {}; {} of up to {}{}; up to {} of each tensor",
               counted(model.layout.count(), "parameter"), format_count(vocab_size),
               counted(sampled.batch_size, unit_of(sampled)),
               counted(std::min(sampled.sequence_length, config.model.n_ctx), "random token"),
               config.objective.type == ObjectiveKind::sft ? ", end to end, their answers alone scored" : "",
               counted(sampled.entries_per_tensor, "entry"));
  if (sampled.entries_per_tensor == 1 && options.entries == 0)
    spdlog::info("a model of this size takes minutes; --set model.n_layers=1 checks the same code in less time");

  const std::vector<TensorGradientCheck> tensors = check_gradients(config.model, vocab_size, sampled);
  const auto failed = std::ranges::count(tensors, false, &TensorGradientCheck::passed);
  options.json ? write_json(to_json(tensors, sampled, failed == 0)) : write_stdout(to_text(tensors));
  if (failed == 0)
    return spdlog::info("{} checked, all agree to {:.0e}", counted(std::ssize(tensors), "tensor"), sampled.tolerance);
  spdlog::error("{} of {} differ by more than {:.0e}", failed, counted(std::ssize(tensors), "tensor"),
                sampled.tolerance);
  throw ExitWith{static_cast<int>(ExitCode::failure)};
}

}  // namespace

void add_gradcheck(CLI::App& app) {
  auto options = std::make_shared<GradcheckOptions>();
  CLI::App* command =
      app.add_subcommand("gradcheck", "Check every tensor's gradient against central differences, in double");
  options->config.add_to(*command);
  add_count(*command, "--entries", options->entries,
            "entries of each tensor to check; 0: 8, or fewer if that would take minutes")
      ->type_name("N");
  add_quiet_flag(*command);
  add_json_flag(*command, options->json);
  command->footer(
      "Exits with 1 if a gradient differs. The config's seed draws the entries; small tensors are checked completely. "
      "The tokens are random; for objective sft they form conversations, for dpo, ipo and reward judged answers, for "
      "policy gradients drawn ones.\n"
      "Example: kiln gradcheck configs/quickstart.json --set model.n_layers=1");
  command->callback([options] { run_gradcheck(*options); });
}

}  // namespace kiln::cli
