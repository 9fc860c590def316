// Goes through the text letter by letter.
#include "cli/rank_order.h"

#include "kiln/core/error.h"

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

TypedOrder read_order(std::string_view text, std::size_t letters) {
  TypedOrder order;
  std::vector<bool> seen(letters);
  bool joins = false;  // the next letter ties with the one before
  for (const char character : text) {
    if (character == ' ' || character == '\t' || character == ',' || character == '>') continue;
    if (character == '=') {
      check(!order.groups.empty() && !joins, "\"=\" stands between two letters, as in a=b");
      joins = true;
      continue;
    }
    const char lower = character >= 'A' && character <= 'Z' ? static_cast<char>(character - 'A' + 'a') : character;
    const auto number = static_cast<std::size_t>(static_cast<unsigned char>(lower)) - 'a';
    check(number < letters, "\"{}\" is not an order of the letters a to {}; type the best first, as in \"{}\"; ? helps",
          text, letter(letters - 1), letters == 2 ? "a" : "b a=c");
    check(!seen[number], "{} stands twice; name each answer once", lower);
    seen[number] = true;
    if (!joins) order.groups.emplace_back();
    order.groups.back().push_back(number);
    joins = false;
  }
  check(!joins, "\"=\" stands between two letters, as in a=b");
  check(!order.groups.empty(), "no letter; type the best first");
  for (std::size_t i = 0; i < letters; ++i) {
    if (!seen[i]) order.rest.push_back(i);
  }
  if (order.rest.size() == 1) {
    order.groups.push_back(order.rest);
    order.rest.clear();
  }
  return order;
}

std::string order_text(const TypedOrder& order) {
  std::string text;
  for (const std::vector<std::size_t>& group : order.groups) {
    if (!text.empty()) text += " > ";
    text += joined(group, " = ");
  }
  if (!order.rest.empty()) text += fmt::format(" > the others ({}, not compared)", joined(order.rest, " "));
  return text;
}

}  // namespace kiln::cli
