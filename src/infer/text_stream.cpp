// Keeps only the bytes held back, so that a piece's cost depends on its length and the stop texts' alone.
#include "kiln/infer/text_stream.h"

#include "kiln/core/error.h"
#include "kiln/core/utf8.h"

#include <algorithm>
#include <utility>

namespace kiln {

TextStream::TextStream(std::vector<std::string> stops) : stops_(std::move(stops)) {
  for (const std::string& stop : stops_) check(!stop.empty(), "a stop text is empty; give it at least one character");
}

std::string TextStream::push(std::string_view bytes) {
  if (stopped_) return {};
  held_ += bytes;
  std::pair<std::size_t, std::size_t> first{std::string::npos, 0};  // end and begin of the first complete stop text
  for (const std::string& stop : stops_) {
    const std::size_t begin = held_.find(stop);
    if (begin != std::string::npos) first = std::min(first, {begin + stop.size(), begin});
  }
  if (first.first != std::string::npos) {
    held_.resize(first.second);
    stopped_ = true;
    return finish();
  }
  std::string_view certain(held_.data(), held_.size() - held_for_stops());
  certain.remove_suffix(utf8_incomplete_tail(certain));
  std::string text = utf8_replace_invalid(certain);
  held_.erase(0, certain.size());
  return text;
}

std::string TextStream::finish() { return utf8_replace_invalid(std::exchange(held_, {})); }

/// Returns the length of the longest suffix of held_ that is a prefix of a stop text.
std::size_t TextStream::held_for_stops() const {
  std::size_t longest = 0;
  for (const std::string& stop : stops_) {
    for (std::size_t length = std::min(stop.size() - 1, held_.size()); length > longest; --length) {
      if (std::string_view(held_).ends_with(std::string_view(stop).substr(0, length))) longest = length;
    }
  }
  return longest;
}

}  // namespace kiln
