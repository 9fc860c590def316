// Leaves the files to the root, and lets every rank take part in a save of what they share.
#include "train/run_record.h"

#include "kiln/core/error.h"
#include "kiln/core/report.h"
#include "kiln/run/metric_figure.h"

#include <utility>

namespace kiln {

RunRecord::RunRecord(TrainingParts& parts, const RunPaths& paths, TrainingClock& clock, TrainingMonitor& monitor)
    : p_(parts), paths_(paths), shared_(parts.train_step->shared_state()) {
  if (!p_.world->is_root()) return;
  files_.reset(new Files{.metrics = MetricsWriter(paths.metrics()),
                         .events = EventLog(parts, paths.root),
                         .saver = CheckpointSaver(parts, paths, clock, monitor, shared_.get())});
}

void RunRecord::log(const MetricsRow& row, bool replaces) {
  if (!files_) return;
  try {
    replaces ? files_->metrics.replace(row) : files_->metrics.append(row);
    rows_are_kept_ = false;
  } catch (const Error& error) {  // a full disk ends the run at its third failed save
    if (!std::exchange(rows_are_kept_, true))
      warn("{}; kiln keeps the rows in memory until there is space", error.what());
  }
  files_->events.add_row(row);
}

void RunRecord::before_evaluated_step() {
  if (files_) files_->events.before_evaluated_step();
}
void RunRecord::add_evaluation() {
  if (files_) files_->events.add_evaluation();
}
void RunRecord::add_sample(const std::string& text) {
  if (files_) files_->events.add_sample(text);
}

void RunRecord::save(bool is_best, Retry retry) {
  // A checkpoint without the rows before it would leave a gap.
  if (files_) files_->saver.save(is_best, retry, [&] { files_->metrics.sync(); });
  if (!files_ && shared_) {
    shared_->begin();
    shared_->finish();
  }
}

void RunRecord::poll() {
  if (files_) files_->saver.poll();
}
void RunRecord::wait() {
  if (files_) files_->saver.wait();
}

void RunRecord::draw() const {
  if (!files_) return;
  try {
    write_loss_svg(paths_);
  } catch (const Error& error) {  // a missing picture does not fail the run
    warn("{}", error.what());
  }
}

}  // namespace kiln
