// Keeps what it has read until the file's size or time changes.
#include "serve/ranking_report.h"

#include "kiln/data/report_json.h"

#include <span>
#include <sys/stat.h>

namespace kiln {

void RankingReport::read() {
  struct stat status {};
  const bool is_there = ::stat(file_.c_str(), &status) == 0;
  const FileState now{
      .device = status.st_dev, .inode = status.st_ino, .size = status.st_size, .changed = status.st_mtim};
  const bool is_same = state_ && state_->device == now.device && state_->inode == now.inode &&
                       state_->size == now.size && state_->changed.tv_sec == now.changed.tv_sec &&
                       state_->changed.tv_nsec == now.changed.tv_nsec;
  if (is_there && is_same) return;
  state_.reset();
  judged_ = is_there ? read_judgements(std::span(&file_, 1)) : JudgedPrompts{};
  all_ = report_json(judged_.census, report_on(judged_.prompts));
  if (is_there) state_ = now;
}

Json RankingReport::of_all() {
  read();
  return all_;
}

Json RankingReport::of_rater(const std::string& rater) {
  read();
  std::vector<JudgedPrompt> own;
  for (const JudgedPrompt& prompt : judged_.prompts) {
    JudgedPrompt& copy = own.emplace_back(JudgedPrompt{.messages = {}, .answers = prompt.answers, .judgements = {}});
    for (const Judgement& judgement : prompt.judgements) {
      if (judgement.rater == rater) copy.judgements.push_back(judgement);
    }
    if (copy.judgements.empty()) own.pop_back();
  }
  Json report = {{"judgements", judged_.census.raters.contains(rater) ? judged_.census.raters.at(rater) : 0}};
  report.update(own_report_json(report_on(own)));
  return report;
}

}  // namespace kiln
