// Shows people answers to rank, and keeps what they say.
#pragma once

#include "kiln/core/json.h"
#include "kiln/core/work_thread.h"
#include "kiln/data/rankings.h"
#include "kiln/serve/service.h"

#include "serve/ranking_report.h"
#include <cstddef>
#include <map>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace kiln {

/// What the raters of one server rank. Each has the showings and the part of the rankings file that kiln rank would
/// give them, so both may be used in turn, and at the same time. State is {"rater", "progress": {"done", "skipped",
/// "total"}, "last", "showing"}: `last` is the id of the last judgement, which undo would take back; `showing` is what
/// comes next,
/// {"id", "number", "messages", "answers"}, null if all is judged. Ids are hashes, and answers are texts in the order
/// shown: neither tells a source.
class RankingTask {
 public:
  /// Throws as RankingLog does.
  explicit RankingTask(RankingOptions options);

  const std::string& owner() const { return options_.owner; }

  /// Returns the rater's state.
  Json state(const std::string& rater);

  /// Takes {"showing": ID, "order": [[1], [0, 2]]}, places on the screen from 0 on, the best first, each group of
  /// equals; or "skip": true. Maybe with "edit", "note" and "seconds". Returns the state; the judgement is on the disk.
  /// Throws ApiError: 400 for a body of another form, 409 if the showing is judged already, or was shown by another
  /// start of the server, 507 if the disk does not take it; nothing has changed then.
  Json judge(const std::string& rater, const Json& body);

  /// Takes the rater's last judgement back: {"last": ID} names it. Returns the state. Throws ApiError: 400, 507; 409 if
  /// another one is the last, or there is none.
  Json undo(const std::string& rater, const Json& body);

 private:
  struct Rater {
    std::vector<Showing> showings;
    std::unordered_map<std::string, std::size_t> places;  // of the showings, by id
    RankingLog log;
  };

  Rater& rater_of(const std::string& name);
  std::string id_of(const std::string& rater, const ShowingKey& key) const;
  Json state_of(const std::string& name, const Rater& rater) const;

  RankingOptions options_;
  std::string salt_;  // of the ids: who knows the sources of an answers file cannot find them by hashing
  std::map<std::string, Rater> raters_;
};

/// The ranking of one server, and the threads that alone use it: one for what raters do, one for reports, which may
/// take long.
struct RankingService {
  explicit RankingService(RankingOptions options) : report(options.file), task(std::move(options)) {}

  RankingReport report;
  RankingTask task;
  WorkThread judging, reporting;  // last: they end before the rest does
};

}  // namespace kiln
