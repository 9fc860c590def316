// Goes through the text letter by letter.
#include "cli/rank_order.h"

#include "kiln/core/error.h"

#include <utility>
#include <vector>

namespace kiln::cli {
namespace {

char letter(std::size_t number) { return static_cast<char>('a' + number); }

std::string joined(const std::vector<std::size_t>& numbers, std::string_view between) {
  std::string text;
  for (const std::size_t number : numbers) {
    if (!text.empty()) text += between;
    text += letter(number);
  }
  return text;
}

}  // namespace

ShownOrder read_order(std::string_view text, std::size_t letters) {
  std::vector<std::vector<std::size_t>> groups;
  bool joins = false;  // the next letter ties with the one before
  for (const char character : text) {
    if (character == ' ' || character == '\t' || character == ',' || character == '>') continue;
    if (character == '=') {
      check(!groups.empty() && !joins, "\"=\" stands between two letters, as in a=b");
      joins = true;
      continue;
    }
    const char lower = character >= 'A' && character <= 'Z' ? static_cast<char>(character - 'A' + 'a') : character;
    const auto number = static_cast<std::size_t>(static_cast<unsigned char>(lower)) - 'a';
    check(number < letters, "\"{}\" is not an order of the letters a to {}; type the best first, as in \"{}\"; ? helps",
          text, letter(letters - 1), letters == 2 ? "a" : "b a=c");
    if (!joins) groups.emplace_back();
    groups.back().push_back(number);
    joins = false;
  }
  check(!joins, "\"=\" stands between two letters, as in a=b");
  check(!groups.empty(), "no letter; type the best first");
  return completed_order(std::move(groups), letters);
}

std::string order_text(const ShownOrder& order) {
  std::string text;
  for (const std::vector<std::size_t>& group : order.groups) {
    if (!text.empty()) text += " > ";
    text += joined(group, " = ");
  }
  if (!order.rest.empty()) text += fmt::format(" > the others ({}, not compared)", joined(order.rest, " "));
  return text;
}

}  // namespace kiln::cli
