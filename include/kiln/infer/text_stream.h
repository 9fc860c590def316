// Outputs text from pieces of bytes, without the end that a next piece could change.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace kiln {

/// Converts bytes in pieces of any length to valid UTF-8, up to the first stop text. Holds back the beginning of a
/// character and a possible beginning of a stop text. The output in total does not depend on how the bytes were cut.
class TextStream {
 public:
  /// Throws Error (usage) for an empty stop text.
  explicit TextStream(std::vector<std::string> stops = {});

  /// Returns the text that no later piece can change. Each byte of no character becomes U+FFFD.
  /// The stop text that is complete first ends the stream: it and everything after it are dropped.
  std::string push(std::string_view bytes);

  /// Returns the rest, which was held back.
  std::string finish();

  bool stopped() const { return stopped_; }

 private:
  std::size_t held_for_stops() const;

  std::vector<std::string> stops_;
  std::string held_;
  bool stopped_ = false;
};

}  // namespace kiln
