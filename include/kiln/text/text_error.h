// Defines the error for text that a tokenizer has no tokens for.
#pragma once

#include "kiln/core/error.h"

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

namespace kiln {

/// An Error with the fault's place in the text, so that callers can report the text's file.
class TextError : public Error {
 public:
  /// `what` ("0xFF") is at byte `offset` of the text called `name` ("" for none), in memory at `at`. `problem` says
  /// what was expected, and the remedy.
  TextError(ExitCode code, std::string_view name, std::size_t offset, const char* at, std::string what,
            std::string problem)
      : Error(code, text(name, offset, what, problem)),
        at_(at),
        offset_(offset),
        what_(std::move(what)),
        problem_(std::move(problem)) {}

  const char* at() const { return at_; }
  std::size_t offset() const { return offset_; }

  /// Returns the message with another name for the text and the offset within it.
  std::string in(std::string_view name, std::size_t offset) const { return text(name, offset, what_, problem_); }

 private:
  static std::string text(std::string_view name, std::size_t offset, std::string_view what, std::string_view problem) {
    return printable(fmt::format("{}{}{} at byte {} {}", name, name.empty() ? "" : ": ", what, offset, problem));
  }

  const char* at_;
  std::size_t offset_;
  std::string what_, problem_;
};

}  // namespace kiln
