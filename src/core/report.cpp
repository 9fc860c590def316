// Keeps the process's reporter, and the newest work.
#include "kiln/core/report.h"

#include <atomic>
#include <mutex>

namespace kiln {
namespace {

std::atomic<Reporter*> current = nullptr;
std::atomic<Work*> newest = nullptr;  // the others follow through State::outer
std::mutex works;                     // of the list: what is in it stays while this is held
thread_local bool detached = false;

}  // namespace

Reporter* set_reporter(Reporter* reporter) { return current.exchange(reporter); }

void report(Severity severity, const std::string& text) {
  if (Reporter* reporter = current) reporter->message(severity, text);
}

struct Work::State {
  double total;
  std::unique_ptr<Meter> meter;
  Work* outer;  // the previous newest work
  std::atomic<double> done = 0;
};

Work::Work(const std::string& what, double total, const std::string& unit) : state_(std::make_unique<State>()) {
  state_->total = total;
  if (Reporter* reporter = current) state_->meter = reporter->meter(what, total, unit);
  const std::lock_guard lock(works);
  state_->outer = newest.exchange(this);
}

Work::~Work() {
  const std::lock_guard lock(works);
  if (newest == this) {
    newest = state_->outer;
    return;
  }
  Work* newer = newest;  // ended before a work that began later, on another thread
  while (newer->state_->outer != this) newer = newer->state_->outer;
  newer->state_->outer = state_->outer;
}

void Work::add(double done) {
  const double sum = state_->done += done;
  if (state_->meter) state_->meter->show(sum);
}

void Work::set_share(double share) { add(share * state_->total - state_->done); }

void Work::advance(std::int64_t done) {
  if (detached || newest == nullptr) return;
  const std::lock_guard lock(works);
  if (Work* work = newest) work->add(static_cast<double>(done));
}

void Work::detach_this_thread() { detached = true; }

}  // namespace kiln
