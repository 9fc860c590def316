// Edits lines with libedit. Characters are read here, so that signals are taken while libedit waits for a key.
#include "kiln/core/descriptor.h"
#include "kiln/core/file.h"
#include "kiln/core/shown_text.h"
#include "kiln/core/terminal.h"
#include "kiln/core/utf8.h"

#include "cli/commands.h"
#include "cli/line_source.h"
#include "cli/output.h"

#ifdef KILN_EDIT

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <clocale>
#include <cstdlib>
#include <histedit.h>
#include <langinfo.h>
#include <sstream>
#include <unistd.h>
#include <utility>
#include <vector>

namespace kiln::cli {
namespace {

constexpr int kHistoryLines = 1000;                             // kept in memory
constexpr std::size_t kHistoryLinesOnDisk = 2 * kHistoryLines;  // when there are more, the older half goes

/// The lines of the file, oldest first. Never fails: a history that cannot be read or written is kept in memory alone.
class HistoryFile {
 public:
  explicit HistoryFile(std::optional<std::filesystem::path> path) : path_(std::move(path)) {}

  std::vector<std::string> read() const {
    std::vector<std::string> lines;
    if (!path_ || !path_exists(*path_)) return lines;
    try {
      std::istringstream text(read_file(*path_));
      for (std::string line; std::getline(text, line);) lines.push_back(std::move(line));
    } catch (const Error&) {
      return {};
    }
    if (lines.size() > kHistoryLinesOnDisk) {
      lines.erase(lines.begin(), lines.end() - kHistoryLines);
      std::string text;
      for (const std::string& line : lines) text += line + "\n";
      write(text, O_TRUNC);
    }
    return lines;
  }

  void append(const std::string& line) const { write(line + "\n", O_APPEND); }

 private:
  void write(const std::string& text, int mode) const {
    if (!path_) return;
    const Descriptor file(*path_, O_WRONLY | O_CREAT | mode, S_IRUSR | S_IWUSR);
    if (file.is_open()) [[maybe_unused]]
      const ssize_t written = ::write(file.get(), text.data(), text.size());
  }

  std::optional<std::filesystem::path> path_;
};

class LineEditor final : public LineSource {
 public:
  LineEditor(PendingSignals& signals, EditLine* editor, std::optional<std::filesystem::path> history_file)
      : signals_(signals), editor_(editor), history_(::history_init()), file_(std::move(history_file)) {
    HistEvent event;
    ::history(history_.get(), &event, H_SETSIZE, kHistoryLines);
    ::history(history_.get(), &event, H_SETUNIQUE, 1);
    for (const std::string& line : file_.read()) ::history(history_.get(), &event, H_ENTER, line.c_str());
    ::el_set(editor, EL_CLIENTDATA, this);
    ::el_set(editor, EL_GETCFN, &LineEditor::get_character);
    ::el_set(editor, EL_PROMPT_ESC, &LineEditor::prompt_text, '\1');
    ::el_set(editor, EL_EDITOR, "emacs");
    ::el_set(editor, EL_HIST, ::history, history_.get());
    constexpr std::array<std::array<const char*, 2>, 6> kKeys{{{"^R", "em-inc-search-prev"},
                                                               {"\\e[3~", "ed-delete-next-char"},
                                                               {"\\e[1~", "ed-move-to-beg"},
                                                               {"\\e[4~", "ed-move-to-end"},
                                                               {"\\e[1;5C", "em-next-word"},
                                                               {"\\e[1;5D", "ed-prev-word"}}};
    for (const auto& [key, does] : kKeys) ::el_set(editor, EL_BIND, key, does, nullptr);
    ::el_source(editor, nullptr);  // ~/.editrc, which may choose other keys
  }

  Line read(const std::string& prompt) override {
    prompt_ = prompt;
    prompt_columns_ = display_columns(prompt);
    if (output_has_color(STDOUT_FILENO) && prompt.ends_with(' ')) {  // libedit drops an escape at the very end
      prompt_ = "\1\x1b[1m\1" + prompt.substr(0, prompt.size() - 1) + "\1\x1b[0m\1 ";
    }
    interrupted_ = false;
    typed_.clear();
    int size = 0;
    ::el_set(editor_.get(), EL_PREP_TERM, 1);  // before the prompt: what is typed at its sight is not echoed twice
    const char* text = ::el_gets(editor_.get(), &size);
    if (ended_) throw ExitWith{kSignalExit + *ended_};
    if (interrupted_) {
      write_stdout("^C\n");
      return {.kind = Line::Kind::interrupted, .text = typed_};
    }
    if (text == nullptr || size <= 0) return {.kind = Line::Kind::end};
    std::string line(text, static_cast<std::size_t>(size));
    if (line.ends_with('\n')) line.pop_back();
    remember(line);
    return {.text = std::move(line)};
  }

 private:
  struct End {
    void operator()(EditLine* editor) const { ::el_end(editor); }
    void operator()(History* history) const { ::history_end(history); }
  };

  static LineEditor& self(EditLine* editor) {
    void* data = nullptr;
    ::el_get(editor, EL_CLIENTDATA, &data);
    return *static_cast<LineEditor*>(data);
  }
  static char* prompt_text(EditLine* editor) { return self(editor).prompt_.data(); }
  static int get_character(EditLine* editor, wchar_t* character) { return self(editor).next_character(*character); }

  /// Reads a character of UTF-8. Returns 1; 0 at the end of the input; -1 if a signal came instead.
  int next_character(wchar_t& character) {
    for (std::string bytes;;) {
      if (!wait_for_key()) return -1;
      char byte = 0;
      const ssize_t got = ::read(STDIN_FILENO, &byte, 1);
      if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
      if (got <= 0) return static_cast<int>(got);
      bytes += byte;
      const std::size_t length = utf8_length(bytes, 0);
      if (length == 0 && utf8_incomplete_tail(bytes) == bytes.size()) continue;
      character = length > 0 ? static_cast<wchar_t>(utf8_decode(bytes, 0, length)) : L'\uFFFD';
      return 1;
    }
  }

  /// Returns when there is something to read; false if a signal ends the line.
  bool wait_for_key() {
    for (;;) {
      signals_.wait_for_input();
      const PendingSignals::News news = signals_.take();
      if (news.ended || news.interrupted) {
        ended_ = news.ended;
        interrupt();
        return false;
      }
      if (!news.resized && !news.suspended) return true;
      if (news.suspended) {
        ::el_set(editor_.get(), EL_PREP_TERM, 0);
        signals_.suspend();
        ::el_set(editor_.get(), EL_PREP_TERM, 1);
        ::el_resize(editor_.get());  // EL_REFRESH then draws the line again, below what the shell has written
      } else {
        clear();
      }
      ::el_set(editor_.get(), EL_REFRESH);
    }
  }

  /// Clears what libedit has drawn, up to the prompt's row, and tells it the window's size. EL_REFRESH draws at the
  /// cursor.
  void clear() {
    const int rows = rows_above_cursor(output_width(STDOUT_FILENO));
    write_stdout(fmt::format("\r{}\x1b[J", rows > 0 ? fmt::format("\x1b[{}A", rows) : ""));
    ::el_resize(editor_.get());
  }

  /// Returns the rows between the prompt and the cursor in a window of this width. Many terminals wrap long lines again
  /// when the window changes its width.
  int rows_above_cursor(int width) const {
    const LineInfo* line = ::el_line(editor_.get());
    const std::string_view before(line->buffer, static_cast<std::size_t>(line->cursor - line->buffer));
    int rows = 0, column = prompt_columns_;
    for (std::size_t at = 0; at < before.size();) {
      const std::size_t length = std::max<std::size_t>(utf8_length(before, at), 1);
      const bool is_control = static_cast<unsigned char>(before[at]) < ' ' || before[at] == '\x7f';  // shown as ^X
      const int columns = before[at] == '\t' ? 8 - column % 8
                          : is_control       ? 2
                                             : display_columns(before.substr(at, length));
      if (column + columns > width) {
        ++rows;
        column = 0;
      }
      column += columns;
      at += length;
    }
    return column >= width ? rows + 1 : rows;
  }

  /// Keeps what was typed, and moves the cursor behind it.
  void interrupt() {
    interrupted_ = true;
    clear();
    const LineInfo* line = ::el_line(editor_.get());
    typed_.assign(line->buffer, line->lastchar);
    ::el_cursor(editor_.get(), static_cast<int>(line->lastchar - line->cursor));
    ::el_set(editor_.get(), EL_REFRESH);
  }

  void remember(const std::string& line) {
    if (line.find_first_not_of(" \t") == std::string::npos || line == last_) return;
    HistEvent event;
    ::history(history_.get(), &event, H_ENTER, line.c_str());
    file_.append(line);
    last_ = line;
  }

  PendingSignals& signals_;
  std::unique_ptr<EditLine, End> editor_;
  std::unique_ptr<History, End> history_;
  HistoryFile file_;
  std::string prompt_;
  int prompt_columns_ = 0;
  std::string last_;   // line of the history
  std::string typed_;  // when a signal came
  bool interrupted_ = false;
  std::optional<int> ended_;
};

/// libedit reads and writes characters by the locale; kiln's text is UTF-8 in every locale.
void use_utf8() {
  std::setlocale(LC_CTYPE, "");
  if (std::string_view(::nl_langinfo(CODESET)) != "UTF-8") std::setlocale(LC_CTYPE, "C.UTF-8");
}

}  // namespace

std::unique_ptr<LineSource> make_line_editor(PendingSignals& signals,
                                             std::optional<std::filesystem::path> history_file) {
  const char* terminal = std::getenv("TERM");
  if (terminal == nullptr || *terminal == '\0' || std::string_view(terminal) == "dumb") return nullptr;
  use_utf8();
  EditLine* editor = ::el_init("kiln", stdin, stdout, stderr);
  if (editor == nullptr) return nullptr;
  return std::make_unique<LineEditor>(signals, editor, std::move(history_file));
}

}  // namespace kiln::cli

#else

namespace kiln::cli {
std::unique_ptr<LineSource> make_line_editor(PendingSignals&, std::optional<std::filesystem::path>) { return nullptr; }
}  // namespace kiln::cli

#endif
