// Tests what reaches the program's reporter: messages, and the progress of the newest work from any thread.
#include "kiln/core/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/log_capture.h"
#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace kiln {
namespace {

/// Keeps the last value that each piece of work has shown.
class Recorder final : public Reporter {
 public:
  Recorder() : before_(set_reporter(this)) {}
  ~Recorder() override { set_reporter(before_); }

  void message(Severity, const std::string&) override {}
  std::unique_ptr<Meter> meter(const std::string& what, double, const std::string&) override {
    struct Kept final : Meter {
      explicit Kept(std::atomic<double>& to) : to_(to) {}
      void show(double done) override { to_ = done; }
      std::atomic<double>& to_;  // several threads show at once
    };
    return std::make_unique<Kept>(done[what]);
  }

  std::map<std::string, std::atomic<double>> done;

 private:
  Reporter* before_;
};

TEST(Report, IsDroppedWithoutAReporter) {
  set_reporter(nullptr);
  EXPECT_NO_THROW(warn("nobody reads {}", 1));
  Work work("work", 10, "things");
  EXPECT_NO_THROW(work.add(1));
}

TEST(Report, MessagesHaveTheirSeverity) {
  const testing::LogCapture log;
  inform("{} of {}", 1, 2);
  warn("careful: {}", 3);
  EXPECT_EQ(log.text(), "info: 1 of 2\nwarning: careful: 3\n");
}

TEST(Work, DeepDownAdvancesTheNewest) {
  Recorder recorder;
  Work outer("outer", 10, "things");
  {
    const Work inner("inner", 10, "things");
    Work::advance(5);
  }
  EXPECT_EQ(recorder.done["inner"], 5);
  EXPECT_EQ(recorder.done["outer"], 0);
  Work::advance(2);
  EXPECT_EQ(recorder.done["outer"], 2);
  outer.set_share(0.5);
  EXPECT_EQ(recorder.done["outer"], 5);
}

TEST(Work, OfADetachedThreadCountsForNone) {
  Recorder recorder;
  const Work work("work", 10, "things");
  std::thread([] {
    Work::detach_this_thread();
    Work::advance(5);
  }).join();
  EXPECT_EQ(recorder.done["work"], 0);
  Work::advance(1);
  EXPECT_EQ(recorder.done["work"], 1);
}

TEST(Work, CountsWhatManyThreadsDo) {
  Recorder recorder;
  Work work("work", 4000, "things");
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([] {
      for (int done = 0; done < 1000; ++done) Work::advance(1);
    });
  }
  for (std::thread& thread : threads) thread.join();
  work.add(0);
  EXPECT_EQ(recorder.done["work"], 4000);
}

TEST(Work, WithoutAnyAdvancingDoesNothing) { EXPECT_NO_THROW(Work::advance(1)); }

}  // namespace
}  // namespace kiln
