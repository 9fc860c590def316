// Remembers which best loss is on disk, so that a failed save does not hide it.
#include "train/checkpoint_saver.h"

#include "kiln/core/error.h"
#include "kiln/core/report.h"
#include "kiln/run/model_loader.h"

#include <cmath>
#include <utility>

namespace kiln {
namespace {

constexpr int kMostFailures = 3;  // in a row, which end the run

/// Returns memory for background saves if the config enables them.
std::optional<CheckpointCopy> checkpoint_copy(const TrainingParts& p) {
  if (!p.config.train.copies_checkpoints() || p.train_step->is_sharded()) return std::nullopt;
  return CheckpointCopy(p.saved, p.train_step->slots());
}

}  // namespace

CheckpointSaver::CheckpointSaver(TrainingParts& parts, const RunPaths& paths, TrainingClock& clock,
                                 TrainingMonitor& monitor, SharedState* shared)
    : p_(parts),
      clock_(clock),
      monitor_(monitor),
      shared_(shared),
      tokenizer_(tokenizer_files(*parts.data.tokenizer, parts.config.model, parts.data.ids,
                                 parts.data.chat ? parts.data.chat->jinja() : "")),
      saved_{parts.state.best_loss, parts.state.best_step},
      saving_(saved_),
      writer_(paths.checkpoints(), parts.config.train.keep_checkpoints, clock.clock(), checkpoint_copy(parts)) {}

void CheckpointSaver::save(bool is_best, Retry retry, const std::function<void()>& before) {
  wait();  // one at a time; reports the previous failure first
  const double total = p_.training_length.total_steps();
  p_.state.seconds = clock_.seconds();
  p_.state.total_steps = total < kEndless ? std::optional(std::llround(total)) : std::nullopt;
  const CheckpointContents contents{.config = p_.config,
                                    .vocab_size = p_.model->vocab_size(),
                                    .weights = p_.weights->masters(),
                                    .optimizer = p_.train_step->slots(),
                                    .tokenizer = tokenizer_,
                                    .state = p_.state,
                                    .base = p_.base,
                                    .rollout = rollout_state(p_),
                                    .shared = shared_};
  saving_ = {p_.state.best_loss, p_.state.best_step};
  saving_step_ = p_.state.step;
  if (shared_ != nullptr) shared_->begin();
  tolerate(retry, [&] {
    try {
      before();
      return writer_.save(contents, is_best,
                          retry == Retry::never ? CheckpointWriter::Await::yes : CheckpointWriter::Await::no);
    } catch (const Error&) {
      if (shared_ != nullptr) shared_->finish();  // the other ranks send their parts in any case
      throw;
    }
  });
}

void CheckpointSaver::poll() {
  tolerate(Retry::later, [&] { return writer_.poll(); });
}

void CheckpointSaver::wait() {
  tolerate(Retry::later, [&] { return writer_.wait(); });
}

/// Calls `call`, which returns the seconds of a completed save.
template <class Call>
void CheckpointSaver::tolerate(Retry retry, Call&& call) {
  try {
    const std::optional<double> seconds = call();
    if (!seconds) return;
    clock_.set_checkpoint(*seconds);
    saved_ = saving_;
    failures_ = 0;
    monitor_.on_save(saving_step_);
  } catch (const Error& error) {
    if (error.code() != ExitCode::io || retry == Retry::never || ++failures_ >= kMostFailures) throw;
    warn("{}; training continues, and kiln tries again at the next checkpoint ({} of {})", error.what(), failures_,
         kMostFailures);
    forget_unsaved_best();
  }
}

/// Resets the best loss to that of the saved checkpoint, since the best weights could not be saved.
void CheckpointSaver::forget_unsaved_best() {
  if (p_.state.best_step != saving_.step) return;  // a better one was found meanwhile, and is saved next
  p_.state.best_loss = saved_.loss;
  p_.state.best_step = saved_.step;
}

}  // namespace kiln
