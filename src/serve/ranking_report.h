// Says how far the raters agree, and which sources win.
#pragma once

#include "kiln/core/json.h"
#include "kiln/data/agreement.h"
#include "kiln/data/judgements.h"

#include <nlohmann/json.hpp>

#include <ctime>
#include <filesystem>
#include <optional>
#include <string>
#include <sys/types.h>
#include <utility>

namespace kiln {

/// Reports on a rankings file; reads it again once it has changed.
class RankingReport {
 public:
  explicit RankingReport(std::filesystem::path file) : file_(std::move(file)) {}

  /// Returns report_json of the file. It names sources and raters. Throws as read_judgements does.
  Json of_all();

  /// Returns what one rater may see: {"judgements", "within_raters"}. Throws the same.
  Json of_rater(const std::string& rater);

 private:
  /// What tells one state of the file from another.
  struct FileState {
    dev_t device = 0;
    ino_t inode = 0;
    off_t size = 0;
    timespec changed = {};
  };
  void read();

  std::filesystem::path file_;
  std::optional<FileState> state_;
  JudgedPrompts judged_;
  Json all_;
};

}  // namespace kiln
