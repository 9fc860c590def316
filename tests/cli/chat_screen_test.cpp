// The screen that a chat leaves in a real terminal, as tmux draws it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/chat_run.h"
#include <string>
#include <string_view>
#include <vector>

namespace kiln {
namespace {

using ::testing::HasSubstr;

#ifdef KILN_EDIT

/// A window of tmux in which a program runs. The server is the test's own.
class TmuxWindow {
 public:
  explicit TmuxWindow(int width) : width_(std::to_string(width)) {}
  ~TmuxWindow() { tmux({"kill-server"}); }
  TmuxWindow(const TmuxWindow&) = delete;
  TmuxWindow& operator=(const TmuxWindow&) = delete;

  /// Returns false if there is no tmux.
  bool start(std::vector<std::string> command) {
    command.insert(command.begin(), {"new-session", "-d", "-x", width_, "-y", "20", "env", "NO_COLOR=1",
                                     "XDG_STATE_HOME=" + folder_.path().string()});
    return tmux(command).code == 0;
  }
  void type(const std::string& text) const { tmux({"send-keys", "-l", text}); }
  void press(const std::string& key) const { tmux({"send-keys", key}); }

  /// Returns when the program has been told of the new width; tmux tells it of several in a row with delay.
  void resize(int width) const {
    tmux({"resize-window", "-x", std::to_string(width), "-y", "20"});
    std::string terminal = tmux({"display-message", "-p", "#{pane_tty}"}).out;
    terminal.pop_back();  // the line end
    const std::string size = "20 " + std::to_string(width) + "\n";
    EXPECT_TRUE(testing::wait_until([&] { return testing::run({"stty", "-F", terminal, "size"}).out == size; }));
  }
  std::string text() const { return tmux({"capture-pane", "-p"}).out; }

  /// Waits until the screen ends with this text, and returns all of it.
  std::string ending_with(std::string_view end) const {
    std::string seen;
    testing::wait_until([&] {
      seen = text();
      seen.erase(seen.find_last_not_of('\n') + 1);
      return seen.ends_with(end);
    });
    return seen;
  }

 private:
  testing::Outcome tmux(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), {"tmux", "-u", "-f", "/dev/null", "-S", folder_.path("socket").string()});
    return testing::run(arguments);
  }

  testing::Scratch folder_;
  std::string width_;
};

TEST(ChatOnAScreen, CtrlCLeavesTheLineAsItWasTyped) {
  TmuxWindow screen(100);
  if (!screen.start(testing::chat_command())) GTEST_SKIP() << "tmux is not installed";
  screen.ending_with("\n>");  // tmux drops the blank
  screen.type("half a message");
  screen.ending_with("> half a message");
  screen.press("C-c");
  EXPECT_THAT(screen.ending_with("\n>"), HasSubstr("chat)\n> half a message^C\n>"));
  screen.press("C-c");
  EXPECT_THAT(screen.ending_with("chat)\n>"), HasSubstr("message^C\n> ^C\n(Ctrl-D or /quit ends the chat)\n>"));
}

TEST(ChatOnAScreen, AWrappedLineIsDrawnOnceAfterEachNewSizeOfTheWindow) {
  TmuxWindow screen(60);
  if (!screen.start(testing::chat_command())) GTEST_SKIP() << "tmux is not installed";
  screen.ending_with("\n>");
  std::string line;
  for (int i = 10; i < 40; ++i) line += std::to_string(i) + ",";  // 90 columns
  line.pop_back();
  screen.type(line);
  screen.ending_with("39");
  const auto drawn = [&](std::size_t width) {
    std::string rows = "> " + line;
    for (std::size_t at = width; at < rows.size(); at += width + 1) rows.insert(at, "\n");
    return "\n" + rows;
  };
  for (const int width : {41, 70, 31, 100}) {
    screen.resize(width);
    line += "," + std::to_string(width);  // its echo shows that kiln has drawn the line again
    screen.type("," + std::to_string(width));
    const std::string seen = screen.ending_with(drawn(static_cast<std::size_t>(width)));
    EXPECT_THAT(seen, ::testing::EndsWith(drawn(static_cast<std::size_t>(width)))) << width;
    EXPECT_EQ(seen.find("> 10,"), seen.rfind("> 10,")) << width << ": drawn once";
  }
  screen.press("C-c");
  EXPECT_THAT(screen.ending_with("\n>"), HasSubstr(drawn(100) + "^C\n>"));
}

#endif

}  // namespace
}  // namespace kiln
