// Reads lines from stdin: typed or piped.
#pragma once

#include "cli/pending_signals.h"
#include <cstddef>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace kiln::cli {

/// A line without its end; or what came instead: Ctrl-C (`text` is what had been typed), or the end of the input.
struct Line {
  enum class Kind { text, interrupted, end };
  Kind kind = Kind::text;
  std::string text = {};
};

class LineSource {
 public:
  LineSource() = default;
  virtual ~LineSource() = default;
  LineSource(const LineSource&) = delete;
  LineSource& operator=(const LineSource&) = delete;

  /// Returns the next line. Throws ExitWith on SIGTERM and SIGHUP, and Error (io) if stdin cannot be read.
  virtual Line read(const std::string& prompt) = 0;
};

/// Reads lines as they are. Shows prompts only if `interactive`; if not, Ctrl-C ends the program.
class PlainLines final : public LineSource {
 public:
  PlainLines(PendingSignals& signals, bool interactive) : signals_(signals), interactive_(interactive) {}

  Line read(const std::string& prompt) override;

 private:
  PendingSignals& signals_;
  bool interactive_;
  std::string buffer_;        // read beyond the last line
  std::size_t searched_ = 0;  // of it, without a line feed
};

/// Returns lines that a person edits on a terminal, with a history. The history is kept in `history_file` too, if there
/// is one and it can be written. Returns null if kiln was built without libedit, or the terminal cannot do it.
std::unique_ptr<LineSource> make_line_editor(PendingSignals& signals,
                                             std::optional<std::filesystem::path> history_file);

}  // namespace kiln::cli
