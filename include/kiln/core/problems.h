// Collects all problems of a JSON document, to report them at once.
#pragma once

#include "kiln/core/error.h"

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace kiln {

/// Returns the JSON pointer (RFC 6901) of `key` within the object at `pointer`; the root is "".
std::string child_pointer(std::string_view pointer, std::string_view key);

/// Collects problems, each at a JSON pointer.
class Problems {
 public:
  template <class... Args>
  void add(std::string_view pointer, fmt::format_string<Args...> format, Args&&... args) {
    add_message(pointer, fmt::format(format, std::forward<Args>(args)...));
  }

  /// Reports problems at or below `pointer` as from `source` ("--set model.n_heads=-3") instead of from the file.
  void attribute(std::string_view pointer, std::string_view source);

  /// Reports problems at `pointer` at `place`, for files whose keys have other names.
  void rename(std::string_view pointer, std::string_view place);

  bool empty() const { return entries_.empty(); }

  /// Returns whether there is a problem at or below `pointer`; checks that depend on such a value can be skipped.
  bool has(std::string_view pointer) const;

  /// Returns one line per problem, in the order found: "tiny.json: /model/n_heads: -3 is out of range; ...".
  std::string text(std::string_view source) const;

  /// Throws Error (`code`) with text(source) if there is a problem.
  void throw_if_any(std::string_view source, ExitCode code = ExitCode::usage) const;

 private:
  struct Entry {
    std::string pointer;
    std::string text;
  };
  void add_message(std::string_view pointer, std::string message);
  std::string line_of(const Entry& entry, std::string_view source) const;

  std::vector<Entry> entries_;  // pointer and message
  std::vector<Entry> sources_;  // pointer and source; newest first, since the newest match counts
  std::vector<Entry> places_;   // pointer and place
};

}  // namespace kiln
