// Collects problems and formats them.
#include "kiln/core/problems.h"

#include <algorithm>

namespace kiln {
namespace {

bool at_or_below(std::string_view pointer, std::string_view above) {
  return pointer.starts_with(above) && (pointer.size() == above.size() || pointer[above.size()] == '/');
}

}  // namespace

std::string child_pointer(std::string_view pointer, std::string_view key) {
  std::string child(pointer);
  child += '/';
  for (char c : key) {
    if (c == '~') {
      child += "~0";
    } else if (c == '/') {
      child += "~1";
    } else {
      child += c;
    }
  }
  return child;
}

void Problems::add_message(std::string_view pointer, std::string message) {
  entries_.push_back({std::string(pointer), std::move(message)});
}

void Problems::attribute(std::string_view pointer, std::string_view source) {
  sources_.insert(sources_.begin(), {std::string(pointer), std::string(source)});
}

void Problems::rename(std::string_view pointer, std::string_view place) {
  places_.push_back({std::string(pointer), std::string(place)});
}

bool Problems::has(std::string_view pointer) const {
  return std::ranges::any_of(entries_, [&](const Entry& entry) { return at_or_below(entry.pointer, pointer); });
}

std::string Problems::text(std::string_view source) const {
  std::string text;
  for (const Entry& entry : entries_) {
    if (!text.empty()) text += '\n';
    text += printable(line_of(entry, source));
  }
  return text;
}

std::string Problems::line_of(const Entry& entry, std::string_view source) const {
  auto origin = std::ranges::find_if(sources_, [&](const Entry& s) { return at_or_below(entry.pointer, s.pointer); });
  std::string line(origin != sources_.end() ? std::string_view(origin->text) : source);
  line += ": ";
  const auto place = std::ranges::find(places_, entry.pointer, &Entry::pointer);
  const std::string& where = place != places_.end() ? place->text : entry.pointer;
  if (!where.empty()) line += where + ": ";
  return line + entry.text;
}

void Problems::throw_if_any(std::string_view source, ExitCode code) const {
  if (!empty()) throw Error(code, text(source));
}

}  // namespace kiln
