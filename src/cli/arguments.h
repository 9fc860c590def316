// Declares the arguments that several commands share, so that they have the same names and effects everywhere.
#pragma once

#include "kiln/infer/generate.h"
#include "kiln/run/config.h"
#include "kiln/run/model_loader.h"

#include <CLI/CLI.hpp>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

namespace kiln::cli {

/// RUN and --checkpoint: a trained model.
struct ModelArguments {
  std::string run;
  std::optional<std::string> checkpoint;
  std::optional<std::string> precision;

  void add_to(CLI::App& command);

  /// Adds --precision, for commands that compute in more than one.
  void add_precision_to(CLI::App& command);

  /// Opens and loads the model to compute with it, in the precision given, or that of the run's training, or fp32. Sets
  /// the number of threads from its run's config. Throws as load_model does.
  LoadedModel load(ModelKind kind = ModelKind::language) const;

  /// The two halves of load_in_float(), for commands that look at the model before its weights are read.
  ModelSource open() const { return open_model(run, checkpoint); }
  static LoadedModel load_in_float(ModelSource source, ModelKind kind = ModelKind::language);
};

/// Warns if a weight of the model is NaN or infinite: such a model can be copied but not used.
void warn_if_diverged(const LoadedModel& model, const std::string& name);

/// CONFIG and --set: what to train.
struct ConfigArguments {
  std::string config;
  std::vector<std::string> overrides;

  void add_to(CLI::App& command);

  /// Reads the config for a command that needs no data, and sets its number of threads. Sets tokenizer.vocab_size to
  /// the model's later size: that of init_from or of an existing tokenizer; for byte, 256 plus the special tokens; for
  /// char, whose entries depend on the text, a guess (logged). Throws as read_config does.
  Config read() const;
};

/// Adds --json: print the result as JSON, alone on stdout.
void add_json_flag(CLI::App& command, bool& json);

/// Adds --quiet: from the point where it is parsed, only warnings and errors, and no progress bars.
void add_quiet_flag(CLI::App& command);

/// Adds an option for a whole number from `least` to `most`, in decimal digits.
template <class T>
CLI::Option* add_count(CLI::App& command, const std::string& name, T& value, const std::string& help,
                       std::type_identity_t<T> least = 0,
                       std::type_identity_t<T> most = std::numeric_limits<T>::max()) {
  const auto read = [least, most](std::string& text) -> std::string {  // CLI11 itself reads 010 as 8, and saturates
    T number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    const bool is_read = end == text.data() + text.size();
    if (is_read && error == std::errc::result_out_of_range && !text.starts_with('-')) {
      return fmt::format("{} is too large; a whole number from {} to {} is expected", text, least, most);
    }
    if (!is_read || error != std::errc() || number < least || number > most) {
      const bool has_end = std::cmp_less(most, std::numeric_limits<std::int64_t>::max());
      return fmt::format("{} is not a whole number from {} {}", text, least,
                         has_end ? fmt::format("to {}", most) : "on");
    }
    text = std::to_string(number);
    return "";
  };
  return command.add_option(name, value, help)->transform(CLI::Validator(read, ""));
}

/// Warns of prompts longer than the context, whose beginnings the model does not see.
void warn_of_long_prompts(std::span<const Prompt> prompts, Index n_ctx);

/// Returns a check that a text is one of these names; its message suggests the nearest name.
CLI::Validator one_of(std::vector<std::string> names);

/// Adds an option that takes one of these names, which help and completion show.
template <class Value, class Names>
CLI::Option* add_choice(CLI::App& command, const std::string& name, Value& value, const Names& names,
                        const std::string& help) {
  const std::vector<std::string> choices(names.begin(), names.end());
  return command.add_option(name, value, help)
      ->check(one_of(choices))
      ->type_name(fmt::format("{}", fmt::join(choices, "|")));
}

/// Returns the value of an enumeration whose names, in the order of its values, are `names`.
template <class E, class Names>
E value_of(const Names& names, std::string_view name) {
  return static_cast<E>(std::ranges::find(names, name) - names.begin());
}

/// Adds the options of SamplingOptions: --temperature, --top-k, --top-p, --min-p, --repetition-penalty, --greedy.
void add_sampling_options(CLI::App& command, SamplingOptions& sampling);

/// Adds --stop: a text or the name of a special token that ends `what` ("a sample").
void add_stop(CLI::App& command, std::vector<std::string>& stops, const std::string& what);

/// Adds an option that is repeated for each of its values, which may have any form ("[CLS]").
CLI::Option* add_repeated(CLI::App& command, const std::string& name, std::vector<std::string>& values,
                          const std::string& help);

}  // namespace kiln::cli
