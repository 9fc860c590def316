// kiln gradcheck: the backward pass of a config's model against central differences.
#include "kiln/nn/language_model.h"
#include "kiln/train/gradient_check.h"
#include "kiln/train/progress.h"

#include <nlohmann/json.hpp>
#include <spdlog/spdlog.h>

#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/output.h"
#include <algorithm>
#include <memory>

namespace kiln::cli {
namespace {

constexpr double kWork = 1e12;  // floating-point operations that a check takes unless --entries asks for more

struct GradcheckOptions {
  ConfigArguments config;
  Index entries = 0;
  bool json = false;
};

/// The options' entries a tensor, or else as many of them as kWork allows.
GradientCheckOptions sampling(const ParameterLayout& layout, std::uint64_t seed, Index entries) {
  GradientCheckOptions check{.seed = seed};
  const auto positions = static_cast<double>(check.batch_size * check.sequence_length);
  const double forward = 2 * static_cast<double>(layout.count()) * positions;  // a multiplication, an addition
  const double an_entry_of_each = 2 * forward * static_cast<double>(layout.parameters().size());
  const auto affordable = static_cast<Index>(kWork / an_entry_of_each);
  check.entries_per_tensor = entries > 0 ? entries : std::clamp<Index>(affordable, 1, check.entries_per_tensor);
  return check;
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
  return {{"passed", passed}, {"tolerance", options.tolerance}, {"tensors", std::move(list)}};
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
  const Config config = options.config.read();
  const Index vocab_size = config.tokenizer.vocab_size;
  const LanguageModel<double> counted(config.model, vocab_size);
  const GradientCheckOptions check = sampling(counted.layout, config.seed, options.entries);
  spdlog::info("{} parameters, vocabulary {}; random tokens, {} x {}; up to {} entries of each tensor, the worst shown",
               format_count(counted.layout.count()), vocab_size, check.batch_size,
               std::min(check.sequence_length, config.model.n_ctx), check.entries_per_tensor);

  const std::vector<TensorGradientCheck> tensors = check_gradients(config.model, vocab_size, check);
  const auto failed = std::ranges::count(tensors, false, &TensorGradientCheck::passed);
  options.json ? write_json(to_json(tensors, check, failed == 0)) : write_stdout(to_text(tensors));
  if (failed == 0) return spdlog::info("all {} tensors agree to {:.0e}", tensors.size(), check.tolerance);
  spdlog::error("{} of {} tensors differ by more than {:.0e}", failed, tensors.size(), check.tolerance);
  throw ExitWith{static_cast<int>(ExitCode::failure)};
}

}  // namespace

void add_gradcheck(CLI::App& app) {
  auto options = std::make_shared<GradcheckOptions>();
  CLI::App* command =
      app.add_subcommand("gradcheck", "Check every tensor's gradient against central differences, in double");
  options->config.add_to(*command);
  command
      ->add_option("--entries", options->entries,
                   "entries to sample of each tensor; 0: 8, or fewer where that would take minutes")
      ->check(CLI::NonNegativeNumber)
      ->type_name("N");
  add_json_flag(*command, options->json);
  command->footer(
      "Exits with 1 where a gradient differs. Entries are drawn by the config's seed; small tensors are checked "
      "whole.\n"
      "Example: kiln gradcheck configs/quickstart.json --set model.n_layers=1");
  command->callback([options] { run_gradcheck(*options); });
}

}  // namespace kiln::cli
