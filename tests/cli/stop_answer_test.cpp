// What a signal is answered.
#include "cli/stop_answer.h"

#include <gtest/gtest.h>

#include <csignal>

namespace kiln::cli {
namespace {

TEST(StopAnswer, SaysWhatIsStillDoneAndWhatASecondOneCosts) {
  StopAnswer answer;
  answer.set_saved(100);
  answer.begin(TrainingWork::step, 107);
  EXPECT_EQ(answer.to(SIGINT),
            "Ctrl-C: step 108 is finished and saved first; a second Ctrl-C ends at once and loses the 8 steps since "
            "step 100");
  answer.begin(TrainingWork::evaluation, 101);
  EXPECT_EQ(answer.to(SIGTERM),
            "SIGTERM: step 101 is saved first, without its evaluation, which --resume repeats; a second SIGTERM "
            "ends at once and loses the step since step 100");
  answer.begin(TrainingWork::sample, 100);
  EXPECT_EQ(answer.to(SIGINT), "Ctrl-C: step 100 is saved first, without its sample; a second Ctrl-C ends at once");
  answer.begin(TrainingWork::rollout, 101);
  EXPECT_EQ(answer.to(SIGINT),
            "Ctrl-C: step 101 is saved first; --resume draws the next answers again; a second Ctrl-C ends at once and "
            "loses the step since step 100");
  answer.begin(TrainingWork::save, 1200);
  EXPECT_EQ(answer.to(SIGHUP), "SIGHUP: step 1200 is saved first");
}

}  // namespace
}  // namespace kiln::cli
