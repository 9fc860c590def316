// Text that comes in pieces: nothing is passed on that the next piece could take back.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace kiln {

/// Takes bytes in pieces of any length and gives out valid UTF-8, up to the first stop text. Held back are the
/// beginning of a character and what may be the beginning of a stop text. What is given out in all does not depend on
/// how the bytes were cut into pieces.
class TextStream {
 public:
  /// Throws Error (usage) for an empty stop text.
  explicit TextStream(std::vector<std::string> stops = {});

  /// The text that is certain now. Bytes that belong to no character come as U+FFFD, one each.
  /// The stop text that is complete first ends the stream: it, what came after and what comes later are dropped.
  std::string push(std::string_view bytes);

  /// What was held back, at the end.
  std::string finish();

  bool stopped() const { return stopped_; }

 private:
  std::size_t held_for_stops() const;

  std::vector<std::string> stops_;
  std::string held_;
  bool stopped_ = false;
};

}  // namespace kiln
