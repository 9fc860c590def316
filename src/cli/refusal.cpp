// Extracts details from the texts of CLI11's errors, which have them nowhere else.
#include "cli/refusal.h"

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

std::string unexpected(const std::vector<std::string>& words) {
  return fmt::format("unexpected argument{} \"{}\"", words.size() == 1 ? "" : "s", fmt::join(words, "\", \""));
}

std::string missing(const CLI::App& command, const std::string& name) {
  if (name == "A subcommand") return "a command is missing";
  const CLI::Option* option = find_option(command, name);
  const std::string type = option != nullptr ? option->get_type_name() : "";
  const bool has_choices = type.find('|') != std::string::npos;
  const std::string help = has_choices ? type + " is expected" : brief_help(command, name);
  return fmt::format("{} is missing{}{}", name, help.empty() ? "" : ": ", help);
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

/// Words errors such as "--seed: 1 required UINT missing", "--seed: At Most 1 required but received 2" and "--json was
/// given a disallowed ...".
std::string mismatched(std::string_view text) {
  if (const auto name = before(text, " was given a disallowed flag override")) return *name + " takes no value";
  const auto name = before(text, ": ");
  if (!name) return std::string(text);
  return *name + (text.find("At Most") != std::string_view::npos ? " is given more than once" : " needs a value");
}

}  // namespace

std::string words_of(const CLI::App& command, const CLI::ParseError& error) {
  const std::vector<std::string> rest = command.remaining();
  const auto unknown =
      std::ranges::find_if(rest, [](const std::string& word) { return is_option(word) && word != "--"; });
  if (unknown != rest.end()) return "unknown option " + unknown->substr(0, unknown->find('='));
  std::string text = error.what();
  if (is<CLI::ExtrasError>(error)) return unexpected(rest);
  if (is<CLI::ConversionError>(error)) return inconvertible(command, text);
  if (is<CLI::ArgumentMismatch>(error)) return mismatched(text);
  if (is<CLI::RequiredError>(error)) {
    const auto name = before(text, " is required");
    return name ? missing(command, *name) : text;
  }
  if (is<CLI::ExcludesError>(error)) {
    if (const auto name = before(text, " excludes ")) {
      return fmt::format("{} and {} exclude each other; give one of them", *name, text.substr(name->size() + 10));
    }
  }
  return text;
}

}  // namespace kiln::cli
