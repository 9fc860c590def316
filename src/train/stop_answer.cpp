// Formats the answer to a signal, on any thread.
#include "kiln/train/stop_answer.h"

#include "kiln/core/format.h"
#include "kiln/train/stop_signals.h"

#include <fmt/format.h>

#include <csignal>

namespace kiln {
namespace {

std::string steps_text(Index count) { return count == 1 ? "step" : format_count(count) + " steps"; }

}  // namespace

std::string StopAnswer::to(int signal) const {
  const Work work = work_;
  const Index step = step_, saved = saved_, saving = step + (work == Work::step ? 1 : 0);
  const std::string_view name = signal == SIGINT ? "Ctrl-C" : name_of_signal(signal);
  std::string text = fmt::format("{}: ", name);
  if (work == Work::step) {
    text += fmt::format("step {} is finished and saved first", saving);
  } else if (work == Work::save) {
    text += fmt::format("step {} is saved first", saving);
  } else {
    text += fmt::format("step {} is saved first, without its {}", saving,
                        work == Work::sample ? "sample" : "evaluation, which --resume makes up for");
  }
  if (signal == SIGHUP) return text;  // a second one has no effect
  text += fmt::format("; a second {} ends at once", name);
  if (saving > saved) text += fmt::format(" and loses the {} since step {}", steps_text(saving - saved), saved);
  return text;
}

}  // namespace kiln
