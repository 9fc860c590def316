// The arguments that several commands share, so that they are called and work the same everywhere.
#pragma once

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
#include <vector>

namespace kiln::cli {

/// RUN and --checkpoint: a trained model.
struct ModelArguments {
  std::string run;
  std::optional<std::string> checkpoint;
  std::optional<std::string> precision;

  void add_to(CLI::App& command);

  /// --precision, for commands that compute in more than one.
  void add_precision_to(CLI::App& command);

  /// fp32 or bf16: as asked for, else as the run was trained, else fp32.
  Precision precision_of(const LoadedModel& model) const;

  /// Loads the model, and sets the number of threads that its run's config asks for. Throws as load_model does.
  LoadedModel load() const;
};

/// Warns where a weight of the model is NaN or infinite: such a model can be copied, and is of no use.
void warn_if_diverged(const LoadedModel& model, const std::string& name);

/// CONFIG and --set: what is to be trained.
struct ConfigArguments {
  std::string config;
  std::vector<std::string> overrides;

  void add_to(CLI::App& command);

  /// Reads the config for a command that needs no data, and sets its number of threads. Its tokenizer.vocab_size then
  /// is what the model will have: that of init_from, or of a tokenizer that is there, with the special tokens for byte,
  /// and (said on stderr) a guess for char, whose entries the text decides. Throws as read_config does.
  Config read() const;
};

/// --json: the result as JSON, alone on stdout.
void add_json_flag(CLI::App& command, bool& json);

/// --quiet: from where it is read on, warnings and errors alone; no progress bars either.
void add_quiet_flag(CLI::App& command);

/// A whole number from `least` to `most`, in decimal digits.
template <class T>
CLI::Option* add_count(CLI::App& command, const std::string& name, T& value, const std::string& help,
                       std::type_identity_t<T> least = 0,
                       std::type_identity_t<T> most = std::numeric_limits<T>::max()) {
  const auto read = [least, most](std::string& text) -> std::string {  // CLI11 by itself takes 010 for 8, and saturates
    T number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    const bool is_read = end == text.data() + text.size();
    if (is_read && error == std::errc::result_out_of_range && !text.starts_with('-')) return text + " is too large";
    if (!is_read || error != std::errc() || number < least || number > most) {
      const std::string end_text = most == std::numeric_limits<T>::max() ? "on" : "to " + std::to_string(most);
      return fmt::format("{} is not a whole number from {} {}", text, least, end_text);
    }
    text = std::to_string(number);
    return "";
  };
  return command.add_option(name, value, help)->transform(CLI::Validator(read, ""));
}

/// Returns a check that a text is one of these names; of another it says which was probably meant.
CLI::Validator one_of(std::vector<std::string> names);

/// One of these names, which the help and completion show.
template <class Value, class Names>
CLI::Option* add_choice(CLI::App& command, const std::string& name, Value& value, const Names& names,
                        const std::string& help) {
  const std::vector<std::string> choices(names.begin(), names.end());
  return command.add_option(name, value, help)
      ->check(one_of(choices))
      ->type_name(fmt::format("{}", fmt::join(choices, "|")));
}

/// The value of an enumeration whose names, in the order of its values, are `names`.
template <class E, class Names>
E value_of(const Names& names, std::string_view name) {
  return static_cast<E>(std::ranges::find(names, name) - names.begin());
}

/// An option that is given anew for each of its values, which may look like anything ("[CLS]").
CLI::Option* add_repeated(CLI::App& command, const std::string& name, std::vector<std::string>& values,
                          const std::string& help);

}  // namespace kiln::cli
