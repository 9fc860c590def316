// Two processes, one lock.
#include "kiln/core/file_lock.h"

#include "kiln/core/file.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "support/scratch.h"
#include <signal.h>
#include <string>
#include <sys/wait.h>
#include <unistd.h>

namespace kiln {
namespace {

using testing::expect_error;
using testing::Scratch;

/// A child process that holds a lock until it is killed.
class LockHolder {
 public:
  explicit LockHolder(const std::string& path) {
    int ready[2];
    if (::pipe(ready) != 0) std::abort();
    pid_ = ::fork();
    if (pid_ == 0) {
      const FileLock lock(path);
      if (::write(ready[1], "x", 1) != 1) ::_exit(1);
      for (;;) ::pause();
    }
    char byte = 0;
    EXPECT_EQ(::read(ready[0], &byte, 1), 1);
    ::close(ready[0]);
    ::close(ready[1]);
  }
  ~LockHolder() { kill(); }
  pid_t pid() const { return pid_; }
  void kill() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }

 private:
  pid_t pid_;
};

TEST(FileLock, HeldByAnotherProcessNamesItsPid) {  // two processes, one run directory
  const Scratch scratch;
  const std::string path = scratch.path("lock").string();
  LockHolder holder(path);
  expect_error(ExitCode::usage,
               fmt::format("{}: in use by process {}; wait until it ends", scratch.path().string(), holder.pid()),
               [&] { FileLock lock(path); });
}

TEST(FileLock, OfADeadProcessDoesNotBlock) {
  const Scratch scratch;
  const std::string path = scratch.path("lock").string();
  LockHolder holder(path);
  holder.kill();
  const FileLock lock(path);
  EXPECT_EQ(read_file(path), fmt::format("{}\n", ::getpid()));
}

TEST(FileLock, TellsItsHolderToThoseWhoDoNotWantIt) {
  const Scratch scratch;
  const std::string path = scratch.path("lock").string();
  EXPECT_FALSE(lock_holder(path));
  LockHolder holder(path);
  EXPECT_EQ(lock_holder(path), holder.pid());
  holder.kill();
  EXPECT_FALSE(lock_holder(path));
  scratch.write("lock", fmt::format("{}\n", ::getpid()));  // alive, but not the holder
  EXPECT_FALSE(lock_holder(path));
  scratch.write("lock", "nonsense");
  EXPECT_FALSE(lock_holder(path));
}

TEST(FileLock, IsReleasedAtTheEndOfItsScope) {
  const Scratch scratch;
  { const FileLock lock(scratch.path("lock")); }
  EXPECT_NO_THROW(FileLock(scratch.path("lock")));
}

TEST(FileLock, InAFolderThatIsNotThereIsAnErrorOfInputAndOutput) {
  const Scratch scratch;
  const std::string path = scratch.path("none/lock").string();
  expect_error(ExitCode::io, path + ": cannot be created: No such file or directory", [&] { FileLock lock(path); });
}

}  // namespace
}  // namespace kiln
