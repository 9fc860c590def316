// kiln chat as a person meets it: editing, history, Ctrl-C and narrow windows.
#include "kiln/core/file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/chat_run.h"
#include "cli/on_terminal.h"
#include <csignal>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace kiln {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using testing::OnTerminal;

/// Returns the command line of a chat that keeps its history in `state`.
std::vector<std::string> with_state(const testing::Scratch& state, std::vector<std::string> command,
                                    const std::string& terminal = "xterm") {
  return testing::at_terminal(std::move(command), terminal, {"XDG_STATE_HOME=" + state.path().string()});
}

std::vector<std::string> talking(const testing::Scratch& state, const std::string& terminal = "xterm") {
  return with_state(state, testing::chat_command(), terminal);
}

/// A chat whose answers have a few thousand letters, more than come in half a second.
std::vector<std::string> long_talk(const testing::Scratch& state) {
  static const testing::SmallRun run;
  static const testing::Outcome outcome =
      run.train({"--set", testing::kChatTokens, "--set", "model.n_ctx=2048", "--set", "model.d_model=64", "--set",
                 "model.n_layers=4", "--set", "model.dropout=0", "--set", "train.steps=3", "--set",
                 "train.batch_size=1", "--set", "train.eval_every=0"});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  return with_state(state, testing::kiln({"chat", run.folder, "--greedy", "--max-tokens", "1900"}));
}

constexpr const char* kLeft = "\x1b[D";

#ifdef KILN_EDIT

TEST(ChatOnATerminal, LinesAreEditedAndRemembered) {
  const testing::Scratch state;
  {
    OnTerminal terminal(talking(state));
    ASSERT_TRUE(terminal.wait_for("(template chatml, context of 256 tokens; /help lists the commands"));
    ASSERT_TRUE(terminal.wait_for("> "));
    terminal.type(std::string("/tokns") + kLeft + kLeft + "e\x05\r");  // back, a letter, to the end
    ASSERT_TRUE(terminal.wait_for("0 of 256 tokens that fit"));
    ASSERT_TRUE(terminal.wait_for("> "));
    terminal.type("gr\u00f6\u00dfe\r");
    ASSERT_TRUE(terminal.wait_for("> "));
    terminal.type("\x1b[A\x1b[A\r");  // the line before the last
    ASSERT_TRUE(terminal.wait_for("\"e\" <|im_end|>"));
    ASSERT_TRUE(terminal.wait_for("tokens that fit"));  // the listing itself holds "> "
    ASSERT_TRUE(terminal.wait_for("> "));
    terminal.type("\x04");
    EXPECT_THAT(terminal.all(), Not(HasSubstr("error")));
    EXPECT_EQ(terminal.hang_up(), 0);
  }
  const std::filesystem::path history = state.path("kiln/chat_history");
  EXPECT_EQ(read_file(history), "/tokens\ngr\u00f6\u00dfe\n/tokens\n");
  EXPECT_EQ(std::filesystem::status(history).permissions(),
            std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  OnTerminal later(talking(state));
  ASSERT_TRUE(later.wait_for("> "));
  later.type("\x1b[A\r");
  ASSERT_TRUE(later.wait_for("0 of 256 tokens that fit"));
}

TEST(ChatOnATerminal, WithoutAPlaceForItTheHistoryIsInMemory) {
  const testing::Scratch state;
  state.write("kiln", "a file where the folder should be");
  OnTerminal terminal(talking(state));
  ASSERT_TRUE(terminal.wait_for("> "));
  terminal.type("/tokens\r");
  ASSERT_TRUE(terminal.wait_for("0 of 256 tokens"));
  ASSERT_TRUE(terminal.wait_for("> "));
  terminal.type("\x1b[A\r");
  ASSERT_TRUE(terminal.wait_for("0 of 256 tokens"));
}

TEST(ChatOnATerminal, ANarrowWindowWrapsALineAndANewSizeRedrawsIt) {
  const testing::Scratch state;
  OnTerminal terminal(talking(state), 20);
  ASSERT_TRUE(terminal.wait_for("> "));
  terminal.type("/help me, I am a line that is longer than the window");
  ASSERT_TRUE(terminal.wait_for("window"));
  terminal.resize(12);
  ASSERT_TRUE(terminal.wait_for("> "));
  terminal.type("\x15/tokens\r");  // erases all of the line
  ASSERT_TRUE(terminal.wait_for("0 of 256 tokens"));
}

#endif

TEST(ChatOnATerminal, CtrlCDropsALineAndSaysHowToEnd) {
  for (const char* kind : {"xterm", "dumb"}) {  // with an editor and without
    const testing::Scratch state;
    OnTerminal terminal(talking(state, kind));
    ASSERT_TRUE(terminal.wait_for("> "));
    terminal.type("half a message");
    ASSERT_TRUE(terminal.wait_for("message"));
    terminal.type("\x03");
    ASSERT_TRUE(terminal.wait_for("^C\r\n"));
    ASSERT_TRUE(terminal.wait_for("> "));
    terminal.type("\x03");
    ASSERT_TRUE(terminal.wait_for("(Ctrl-D or /quit ends the chat)"));
    terminal.type("/tokens\r");
    ASSERT_TRUE(terminal.wait_for("0 of 256 tokens that fit")) << "nothing was said";
    terminal.type("/undoo\r");
    ASSERT_TRUE(terminal.wait_for("error: unknown command \"/undoo\"; did you mean \"/undo\"?"));
    terminal.type("/quit\r");
    terminal.all();
    EXPECT_EQ(terminal.hang_up(), 0) << "a mistake does not end a chat";
  }
}

TEST(ChatOnATerminal, CtrlCStopsAnAnswerAndTheChatGoesOn) {
  const testing::Scratch state;
  OnTerminal terminal(long_talk(state), 40);
  ASSERT_TRUE(terminal.wait_for("> "));
  terminal.type("one two three\r");
  ASSERT_TRUE(terminal.wait_for("three\r\n"));
  ASSERT_TRUE(terminal.wait_for_more(3));
  terminal.type("\x03");
  ASSERT_TRUE(terminal.wait_for("(stopped)")) << terminal.seen();
  ASSERT_TRUE(terminal.wait_for("> "));
  terminal.type("/tokens\r");
  ASSERT_TRUE(terminal.wait_for("<|im_start|> \"a\" \"s\" \"s\" \"i\" \"s\" \"t\" \"a\" \"n\" \"t\""));
  ASSERT_TRUE(terminal.wait_for(" of 2,048 tokens that fit"));
  terminal.type("four\r");
  ASSERT_TRUE(terminal.wait_for("four\r\n"));
  ASSERT_TRUE(terminal.wait_for_more(3));
  terminal.send(SIGTERM);
  terminal.all();
  EXPECT_EQ(terminal.hang_up(), 128 + SIGTERM);
}

TEST(ChatOnATerminal, ATerminalThatGoesAwayEndsIt) {
  const testing::Scratch state;
  OnTerminal terminal(talking(state));
  ASSERT_TRUE(terminal.wait_for("> "));
  EXPECT_EQ(terminal.hang_up(), 128 + SIGHUP);
}

TEST(ChatInAScript, CtrlCEndsIt) {
  const testing::Scratch state;
  testing::Process script(long_talk(state), "one\ntwo\n");
  ASSERT_TRUE(script.wait_for_output(3));
  script.send(SIGINT);
  EXPECT_EQ(script.finish().code, 128 + SIGINT);
}

}  // namespace
}  // namespace kiln
