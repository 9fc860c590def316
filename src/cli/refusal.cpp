// Extracts details from the texts of CLI11's errors, which have them nowhere else.
#include "cli/refusal.h"

#include "kiln/core/shown_text.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <optional>
#include <string_view>
#include <vector>

namespace kiln::cli {
namespace {

template <class Kind>
bool is(const CLI::ParseError& error) {
  return dynamic_cast<const Kind*>(&error) != nullptr;
}

/// Returns the text before the first `end`; nullopt if it does not occur.
std::optional<std::string> before(std::string_view text, std::string_view end) {
  const std::size_t at = text.find(end);
  if (at == std::string_view::npos) return std::nullopt;
  return std::string(text.substr(0, at));
}

const CLI::Option* find_option(const CLI::App& command, const std::string& name) {
  for (const CLI::Option* option : command.get_options()) {
    if (option->get_name() == name || option->get_name(true) == name) return option;
  }
  return nullptr;
}

/// Returns the option's help up to its first semicolon: "run directory, checkpoint folder, ...".
std::string brief_help(const CLI::App& command, const std::string& name) {
  const CLI::Option* option = find_option(command, name);
  if (option == nullptr) return "";
  const std::string help = option->get_description();
  return help.substr(0, help.find(';'));
}

bool is_option(std::string_view word) { return word.size() > 1 && word.starts_with('-'); }

bool takes_many(const CLI::Option& option) {
  return option.get_items_expected_max() >= CLI::detail::expected_max_vector_size;
}

/// Returns `; did you mean "--data a.txt"?`: the words as values of that option.
std::string did_you_mean(const std::string& option, const std::vector<std::string>& words) {
  std::string meant = option;
  for (const std::string& word : words) meant += " " + shell_quoted(word);
  return fmt::format("; did you mean \"{}\"?", meant);
}

/// Returns what to write in place of words that have no place: a text in quotes, or files behind their option; else "".
std::string remedy(const CLI::App& command, const std::vector<std::string>& words) {
  bool has_positions = false;
  for (const CLI::Option* option : command.get_options()) {
    has_positions = has_positions || option->get_positional();
    if (!option->get_positional() || option->get_type_name() != "TEXT" || option->count() == 0) continue;
    const std::string text = fmt::format("{} {}", option->results().back(), fmt::join(words, " "));
    return "; a text of several words needs quotes: " + shell_quoted(text);
  }
  if (has_positions) return "";
  for (const CLI::Option* option : command.get_options()) {
    if (option->get_type_name() == "FILE" && takes_many(*option)) return did_you_mean(option->get_name(), words);
  }
  return "";
}

std::string unexpected(const std::vector<std::string>& words) {
  return fmt::format("unexpected argument{} \"{}\"", words.size() == 1 ? "" : "s", fmt::join(words, "\", \""));
}

/// Words that an option is missing. `words` have no place: they may be its values.
std::string missing(const CLI::App& command, const std::string& name, const std::vector<std::string>& words) {
  if (name == "A subcommand") return "a command is missing";
  const CLI::Option* option = find_option(command, name);
  if (option == nullptr) return name + " is missing";
  const std::vector<std::string> choices = CLI::detail::split(option->get_type_name(), '|');
  const bool has_choices = choices.size() > 1;
  const std::string help = has_choices ? option->get_type_name() + " is expected" : brief_help(command, name);
  const bool may_be_words = !option->get_positional() && (words.size() == 1 || (!words.empty() && takes_many(*option)));
  const bool is_choice = may_be_words && std::ranges::find(choices, words[0]) != choices.end();
  const bool is_meant = may_be_words && (!has_choices || is_choice);
  return fmt::format("{} is missing{}{}{}", name, help.empty() ? "" : ": ", help,
                     is_meant ? did_you_mean(name, words) : "");
}

/// Words that an option needs another one. Words without an option, as in "eval RUN a.txt", are values of the other.
std::string needing(const CLI::App& command, const std::string& name, const std::string& needed) {
  const CLI::Option* option = find_option(command, name);
  const bool is_position = option != nullptr && option->get_positional() && option->get_lnames().empty();
  if (!is_position) return fmt::format("{0} needs {1}; give both, or leave {0} out", name, needed);
  return unexpected(option->results()) + did_you_mean(needed, option->results());
}

/// Words an error such as "Could not convert: --temperature = warm".
std::string inconvertible(const CLI::App& command, std::string_view text) {
  constexpr std::string_view kBegin = "Could not convert: ";
  if (text.starts_with(kBegin)) text.remove_prefix(kBegin.size());
  const std::string name = before(text, " = ").value_or(before(text, ": ").value_or(std::string(text)));
  const CLI::Option* option = find_option(command, name);
  if (option == nullptr || option->get_items_expected_max() == 0) return name + " takes no value";
  const std::size_t at = text.find(" = ");
  return fmt::format("{}: \"{}\" is not a number", name, at == std::string_view::npos ? "" : text.substr(at + 3));
}

/// Words errors such as "--seed: 1 required UINT missing", "--seed: At Most 1 required but received 2" and "json was
/// given a disallowed ...".
std::string mismatched(const CLI::App& command, std::string_view text) {
  if (const auto name = before(text, " was given a disallowed flag override")) return "--" + *name + " takes no value";
  const auto name = before(text, ": ");
  if (!name) return std::string(text);
  if (text.find("At Most") == std::string_view::npos) return *name + " needs a value";
  const std::string several = *name + "s";  // --prompts, for several of --prompt
  const bool takes_several = find_option(command, several) != nullptr;
  return fmt::format("{} is given more than once; keep one{}", *name,
                     takes_several ? fmt::format(", or use {}: {}", several, brief_help(command, several)) : "");
}

}  // namespace

std::string words_of(const CLI::App& command, const CLI::ParseError& error) {
  const std::vector<std::string> rest = command.remaining();
  const auto unknown =
      std::ranges::find_if(rest, [](const std::string& word) { return is_option(word) && word != "--"; });
  if (unknown != rest.end()) return "unknown option " + unknown->substr(0, unknown->find('='));
  std::string text = error.what();
  if (is<CLI::ExtrasError>(error)) return unexpected(rest) + remedy(command, rest);
  if (is<CLI::ConversionError>(error)) return inconvertible(command, text);
  if (is<CLI::ArgumentMismatch>(error)) return mismatched(command, text);
  if (is<CLI::RequiredError>(error)) {
    const auto name = before(text, " is required");
    return name ? missing(command, *name, rest) : text;
  }
  if (is<CLI::RequiresError>(error)) {
    if (const auto name = before(text, " requires ")) return needing(command, *name, text.substr(name->size() + 10));
  }
  if (is<CLI::ExcludesError>(error)) {
    if (const auto name = before(text, " excludes ")) {
      return fmt::format("{} and {} exclude each other; give one of them", *name, text.substr(name->size() + 10));
    }
  }
  return text;
}

}  // namespace kiln::cli
