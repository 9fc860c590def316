// Who may use a run directory, what is refused, and what overwriting removes.
#include "kiln/run/run_directory.h"

#include "kiln/core/error.h"
#include "kiln/core/file.h"

#include <gtest/gtest.h>

#include "support/error_parts.h"
#include "support/scratch.h"
#include <csignal>
#include <fcntl.h>
#include <optional>
#include <sys/wait.h>
#include <unistd.h>

namespace kiln {
namespace {

namespace fs = std::filesystem;

using testing::expect_error_with;
using testing::Scratch;

/// A run directory that a process has left.
void leave_run(const Scratch& scratch) {
  scratch.write("run/lock", "1\n");
  scratch.write("run/config.json", "{}");
  scratch.write("run/metrics.jsonl", "");
  scratch.write("run/checkpoints/step-00000010/kiln.json", "{}");
  scratch.write("run/checkpoints/latest", "step-00000010\n");
}

TEST(RunDirectory, NamesOfCheckpoints) {
  EXPECT_EQ(checkpoint_name(500), "step-00000500");
  EXPECT_EQ(checkpoint_name(1'234'567'890), "step-1234567890");
  EXPECT_EQ(step_of_checkpoint("step-00000500"), 500);
  EXPECT_EQ(step_of_checkpoint("step-1234567890"), 1'234'567'890);
  for (const char* name : {"step-500", "step-", "step-0000050x", "step--0000500", "latest", ".tmp-step-00000500",
                           "step-99999999999999999999", ""}) {
    EXPECT_EQ(step_of_checkpoint(name), std::nullopt) << name;
  }
}

TEST(RunDirectory, AnyModeOpensWhatIsNotThereOrEmpty) {
  for (const OpenMode mode : {OpenMode::fresh, OpenMode::resume, OpenMode::overwrite}) {
    const Scratch scratch;
    const RunDirectory run(scratch.path("new/deep/run"), mode);
    EXPECT_TRUE(fs::is_directory(run.paths().root));
    EXPECT_TRUE(is_run_directory(run.paths().root));
    fs::create_directory(scratch.path("empty"));
    const RunDirectory other(scratch.path("empty"), mode);
  }
}

TEST(RunDirectory, ARunIsRefusedWithoutResumeOrOverwrite) {
  const Scratch scratch;
  leave_run(scratch);
  expect_error_with(ExitCode::usage,
                    {scratch.path("run").string() + ": holds a run already", "--resume", "--overwrite", "--run"},
                    [&] { RunDirectory run(scratch.path("run"), OpenMode::fresh); });
  EXPECT_TRUE(fs::exists(scratch.path("run/config.json")));
  const RunDirectory resumed(scratch.path("run"), OpenMode::resume);
  EXPECT_TRUE(fs::exists(scratch.path("run/checkpoints/step-00000010/kiln.json")));
}

TEST(RunDirectory, OverwritingRemovesWhatKilnWroteAndNothingElse) {
  const Scratch scratch;
  leave_run(scratch);
  scratch.write("run/notes.txt", "mine");
  scratch.write("run/events.out.tfevents.1700000000.host.1.0", "");
  scratch.write("run/checkpoints/my-own/model.safetensors", "mine");
  RunDirectory run(scratch.path("run"), OpenMode::overwrite);
  EXPECT_TRUE(fs::exists(scratch.path("run/checkpoints/step-00000010"))) << "the caller says when it is time";
  run.clear();
  EXPECT_TRUE(fs::exists(scratch.path("run/notes.txt")));
  EXPECT_TRUE(fs::exists(scratch.path("run/checkpoints/my-own/model.safetensors")));
  EXPECT_FALSE(fs::exists(scratch.path("run/config.json")));
  EXPECT_FALSE(fs::exists(scratch.path("run/metrics.jsonl")));
  EXPECT_FALSE(fs::exists(scratch.path("run/events.out.tfevents.1700000000.host.1.0")));
  EXPECT_FALSE(fs::exists(scratch.path("run/checkpoints/step-00000010")));
  EXPECT_FALSE(fs::exists(scratch.path("run/checkpoints/latest")));
}

TEST(RunDirectory, AStartThatCameToNothingBlocksNoOther) {
  const Scratch scratch;
  { const RunDirectory first(scratch.path("run"), OpenMode::fresh); }
  scratch.write("run/tokens/train.bin", "");
  EXPECT_NO_THROW(RunDirectory(scratch.path("run"), OpenMode::fresh));
}

TEST(RunDirectory, AStartThatCameToNothingLeavesNoTrace) {
  const Scratch scratch;
  {
    const RunDirectory run(scratch.path("runs/new"), OpenMode::fresh);
    scratch.write("runs/new/tokens/train-1.bin", "few");
  }
  EXPECT_FALSE(fs::exists(scratch.path("runs")));  // which was made for it
  scratch.write("runs/killed/lock", "1\n");
  { const RunDirectory run(scratch.path("runs/killed"), OpenMode::resume); }
  EXPECT_FALSE(fs::exists(scratch.path("runs/killed")));
  fs::create_directory(scratch.path("mine"));
  { const RunDirectory run(scratch.path("mine"), OpenMode::fresh); }
  EXPECT_TRUE(fs::is_empty(scratch.path("mine")));
  {
    const RunDirectory run(scratch.path("begun"), OpenMode::fresh);
    scratch.write("begun/config.json", "{}");
  }
  EXPECT_TRUE(fs::exists(scratch.path("begun/lock")));
}

TEST(RunDirectory, AFolderThatIsNoRunIsLeftAloneWithoutATrace) {
  const Scratch scratch;
  scratch.write("thesis/chapter.tex", "text");
  for (const OpenMode mode : {OpenMode::fresh, OpenMode::resume, OpenMode::overwrite}) {
    expect_error_with(ExitCode::usage, {"thesis: is not empty and not a run of kiln", "--run"},
                      [&] { RunDirectory run(scratch.path("thesis"), mode); });
    EXPECT_FALSE(fs::exists(scratch.path("thesis/lock")));
  }
  scratch.write("gpt2/config.json", "{}");
  scratch.write("gpt2/model.safetensors", "");
  EXPECT_THROW(RunDirectory(scratch.path("gpt2"), OpenMode::overwrite), Error);
  EXPECT_TRUE(fs::exists(scratch.path("gpt2/model.safetensors")));
  expect_error_with(ExitCode::usage, {"chapter.tex: is a file; a folder is expected"},
                    [&] { RunDirectory run(scratch.path("thesis/chapter.tex"), OpenMode::fresh); });
}

TEST(RunDirectory, CheckpointsAndLocksOfOtherProgramsAreNotKilns) {
  const Scratch scratch;
  scratch.write("trainer/config.json", "{}");
  scratch.write("trainer/checkpoints/step-00001000/model.pt", "theirs");
  scratch.write("trainer/checkpoints/latest", "step-00001000");
  scratch.write("locked/lock", "held by apt");
  scratch.write("locked/notes.txt", "");
  scratch.write("folders/lock/a", "");
  scratch.write("folders/b", "");
  for (const char* folder : {"trainer", "locked", "folders"}) {
    EXPECT_FALSE(is_run_directory(scratch.path(folder))) << folder;
    for (const OpenMode mode : {OpenMode::fresh, OpenMode::resume, OpenMode::overwrite}) {
      expect_error_with(ExitCode::usage, {"is not empty and not a run of kiln"},
                        [&] { RunDirectory run(scratch.path(folder), mode); });
    }
  }
  EXPECT_EQ(read_file(scratch.path("locked/lock")), "held by apt");
  EXPECT_FALSE(fs::exists(scratch.path("trainer/lock")));
}

TEST(RunDirectory, ASecondProcessIsToldTheFirstsId) {
  const Scratch scratch;
  int ready[2], done[2];
  ASSERT_TRUE(::pipe2(ready, O_CLOEXEC) == 0 && ::pipe2(done, O_CLOEXEC) == 0);
  const pid_t child = ::fork();
  if (child == 0) {
    ::close(done[1]);
    const RunDirectory run(scratch.path("run"), OpenMode::fresh);
    char byte = 1;
    const bool told = ::write(ready[1], &byte, 1) == 1;
    const bool waited = ::read(done[0], &byte, 1) >= 0;
    ::_exit(told && waited ? 0 : 1);
  }
  char byte = 0;
  ASSERT_EQ(::read(ready[0], &byte, 1), 1);
  for (const OpenMode mode : {OpenMode::fresh, OpenMode::resume, OpenMode::overwrite}) {
    expect_error_with(ExitCode::usage, {"in use by process " + std::to_string(child)},
                      [&] { RunDirectory run(scratch.path("run"), mode); });
  }
  ::close(done[1]);
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  for (const int end : {ready[0], ready[1], done[0]}) ::close(end);
  const RunDirectory free_again(scratch.path("run"), OpenMode::resume);
}

/// The exit code that a process which is not root ends with when it opens the directory; 102: it was opened.
int code_for_others(const fs::path& root) {
  const pid_t child = ::fork();
  if (child == 0) {
    if (::geteuid() == 0 && ::setuid(65534) != 0) ::_exit(100);
    try {
      const RunDirectory run(root, OpenMode::fresh);
    } catch (const Error& error) {
      ::_exit(static_cast<int>(error.code()));
    } catch (const std::exception&) {
      ::_exit(101);
    }
    ::_exit(102);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/// Root may write anywhere, so the attempt is made by a process that is not root.
TEST(RunDirectory, AFolderThatMayNotBeWrittenIsAnErrorBeforeStepZero) {
  const Scratch scratch;
  fs::create_directory(scratch.path("run"));
  constexpr fs::perms kListed = fs::perms::owner_read | fs::perms::owner_exec | fs::perms::group_read |
                                fs::perms::group_exec | fs::perms::others_read | fs::perms::others_exec;
  for (const fs::perms allowed : {kListed, fs::perms::none}) {
    fs::permissions(scratch.path("run"), allowed);
    EXPECT_EQ(code_for_others(scratch.path("run")), static_cast<int>(ExitCode::io));
    EXPECT_EQ(code_for_others(scratch.path("run/deeper")), static_cast<int>(ExitCode::io));
  }
  fs::permissions(scratch.path("run"), fs::perms::owner_all);
}

}  // namespace
}  // namespace kiln
