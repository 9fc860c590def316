// Formats the answer to a signal, on any thread.
#include "cli/stop_answer.h"

#include "kiln/core/format.h"

#include <fmt/format.h>

#include "cli/stop_signals.h"
#include <csignal>

namespace kiln::cli {
namespace {

std::string steps_text(Index count) { return count == 1 ? "step" : format_count(count) + " steps"; }

}  // namespace

std::string StopAnswer::to(int signal) const {
  const TrainingWork work = work_;
  const Index step = step_, saved = saved_, saving = step + (work == TrainingWork::step ? 1 : 0);
  const std::string_view name = signal == SIGINT ? "Ctrl-C" : name_of_signal(signal);
  std::string text = fmt::format("{}: ", name);
  if (work == TrainingWork::step) {
    text += fmt::format("step {} is finished and saved first", saving);
  } else if (work == TrainingWork::save) {
    text += fmt::format("step {} is saved first", saving);
  } else if (work == TrainingWork::rollout) {
    text += fmt::format("step {} is saved first; --resume draws the next answers again", saving);
  } else {
    text += fmt::format("step {} is saved first, without its {}", saving,
                        work == TrainingWork::sample ? "sample" : "evaluation, which --resume repeats");
  }
  if (signal == SIGHUP) return text;  // a second one has no effect
  text += fmt::format("; a second {} ends at once", name);
  if (saving > saved) text += fmt::format(" and loses the {} since step {}", steps_text(saving - saved), saved);
  return text;
}

}  // namespace kiln::cli
