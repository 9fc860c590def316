// Lines that several processes append to one file, and what a killed one leaves there.
#include "kiln/core/file.h"
#include "kiln/core/file_streams.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/scratch.h"
#include <fcntl.h>
#include <string>
#include <string_view>
#include <sys/file.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace kiln {
namespace {

using testing::Scratch;

bool ends_with_full_stop(std::string_view line) { return line.ends_with('.'); }

TEST(SharedAppender, AppendsLinesToANewOrOldFile) {
  const Scratch folder;
  SharedAppender(folder.path("a"), ends_with_full_stop).append("one.");
  SharedAppender again(folder.path("a"), ends_with_full_stop);
  again.append("two.");
  again.append("");
  EXPECT_EQ(read_file(folder.path("a")), "one.\ntwo.\n\n");
}

TEST(SharedAppender, EndsAWholeLastLineAndRemovesOneCutShort) {
  const Scratch folder;
  SharedAppender(folder.write("whole", "one.\ntwo."), ends_with_full_stop).append("three.");
  EXPECT_EQ(read_file(folder.path("whole")), "one.\ntwo.\nthree.\n");
  SharedAppender(folder.write("torn", "one.\ntw"), ends_with_full_stop).append("three.");
  EXPECT_EQ(read_file(folder.path("torn")), "one.\nthree.\n");
  SharedAppender(folder.write("only", "on"), ends_with_full_stop).append("three.");
  EXPECT_EQ(read_file(folder.path("only")), "three.\n");
  const std::string long_line(3u << 20, 'x');  // longer than the pieces that are read
  SharedAppender(folder.write("long", "one.\n" + long_line), ends_with_full_stop).append("three.");
  EXPECT_EQ(read_file(folder.path("long")), "one.\nthree.\n");
}

TEST(SharedAppender, ManyProcessesLoseNoLine) {
  const Scratch folder;
  constexpr int kProcesses = 4, kLines = 50;
  std::vector<pid_t> children;
  for (int process = 0; process < kProcesses; ++process) {
    const pid_t child = ::fork();
    if (child == 0) {
      SharedAppender lines(folder.path("a"), ends_with_full_stop);
      for (int i = 0; i < kLines; ++i) lines.append(std::to_string(process) + std::string(10'000, 'x') + ".");
      ::_exit(0);
    }
    children.push_back(child);
  }
  for (const pid_t child : children) {
    int status = 0;
    ::waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
  }
  const std::string text = read_file(folder.path("a"));
  std::array<int, kProcesses> found{};
  for (std::size_t begin = 0; begin < text.size(); begin = text.find('\n', begin) + 1) {
    ASSERT_EQ(text.find('\n', begin) - begin, 10'002u) << "a line is mixed with another one";
    ++found[static_cast<std::size_t>(text[begin] - '0')];
  }
  EXPECT_THAT(found, ::testing::Each(kLines));
}

TEST(SharedAppender, WaitsForALock) {
  const Scratch folder;
  SharedAppender lines(folder.path("a"), ends_with_full_stop);
  const Descriptor other(folder.path("a"), O_RDONLY);
  ASSERT_EQ(::flock(other.get(), LOCK_EX), 0);
  std::thread writer([&] { lines.append("one."); });
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_EQ(read_file(folder.path("a")), "");
  ::flock(other.get(), LOCK_UN);
  writer.join();
  EXPECT_EQ(read_file(folder.path("a")), "one.\n");
}

TEST(SharedAppender, AFolderIsAnError) {
  const Scratch folder;
  testing::expect_error(ExitCode::io, folder.path().string() + ": cannot be opened for writing: Is a directory",
                        [&] { SharedAppender(folder.path(), ends_with_full_stop); });
}

}  // namespace
}  // namespace kiln
