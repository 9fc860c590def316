// Everything that is wrong with one JSON document, gathered so that the user hears of it all at once.
#pragma once

#include "kiln/core/error.h"

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace kiln {

/// The JSON pointer (RFC 6901) of `key` within the object at `pointer`; the root is "".
std::string child_pointer(std::string_view pointer, std::string_view key);

/// A list of problems, each at a JSON pointer.
class Problems {
 public:
  template <class... Args>
  void add(std::string_view pointer, fmt::format_string<Args...> format, Args&&... args) {
    add_message(pointer, fmt::format(format, std::forward<Args>(args)...));
  }

  /// Lets problems at or below `pointer` be reported as of `source` ("--set model.n_heads=-3") rather than of the file.
  void attribute(std::string_view pointer, std::string_view source);

  /// Lets problems at `pointer` be reported at `place`, where the value stands in a file that has other names for it.
  void rename(std::string_view pointer, std::string_view place);

  bool empty() const { return entries_.empty(); }

  /// Whether there is a problem at or below `pointer`: what depends on such a value need not be looked at.
  bool has(std::string_view pointer) const;

  /// One line a problem, in the order in which they were found: "tiny.json: /model/n_heads: -3 is out of range; ...".
  std::string text(std::string_view source) const;

  /// Throws Error (`code`) with text(source), unless there is no problem.
  void throw_if_any(std::string_view source, ExitCode code = ExitCode::usage) const;

 private:
  struct Entry {
    std::string pointer;
    std::string text;
  };
  void add_message(std::string_view pointer, std::string message);
  std::string line_of(const Entry& entry, std::string_view source) const;

  std::vector<Entry> entries_;  // pointer and message
  std::vector<Entry> sources_;  // pointer and source; the last one given comes first, since it counts
  std::vector<Entry> places_;   // pointer and place
};

}  // namespace kiln
