// Reads and writes metrics.jsonl: one line per row of measurements, complete or not there at all.
#pragma once

#include "kiln/core/fields.h"
#include "kiln/core/file_streams.h"

#include <cstdint>
#include <deque>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace kiln {

/// A row. It has every key; null means not measured, or not finite.
struct MetricsRow {
  std::int64_t step = 0;
  std::int64_t tokens = 0;
  double seconds = 0;
  std::optional<double> loss;
  std::optional<double> learning_rate;
  std::optional<double> grad_norm;
  std::optional<double> tokens_per_second;
  std::optional<double> validation_loss;
  std::optional<double> bits_per_byte;
  std::optional<double> perplexity;
  std::optional<double> accuracy;

  template <class V>
  void visit(V& v) {
    v("step", step, "steps taken, those whose update was skipped among them");
    v("tokens", tokens, "tokens trained on");
    v("seconds", seconds, "of wall time since training began, to the microsecond, summed over resumes");
    v("loss", loss, "in nats a token, of the step's batch before its update");
    v("learning_rate", learning_rate, "of the step");
    v("grad_norm", grad_norm, "before clipping");
    v("tokens_per_second", tokens_per_second, "since the last row");
    v("validation_loss", validation_loss,
      "over the validation split, or train.eval_tokens of it, where there was an evaluation");
    v("bits_per_byte", bits_per_byte, "of the same text, where its number of bytes is known");
    v("perplexity", perplexity, "exp(validation_loss)");
    v("accuracy", accuracy, "share of the same tokens that the model held for the likeliest");
  }
};

/// Appends rows to a file, each in one write. Keeps a row that could not be written for the next attempt.
class MetricsWriter {
 public:
  explicit MetricsWriter(const std::filesystem::path& path) : path_(path), lines_(path) {}  // throws Error (io)
  void append(const MetricsRow& row);                                                       // throws Error (io)
  void sync();  // flushes all rows to the disk; throws Error (io)

  /// Replaces all rows of this step and later by `row`. Throws Error (io) and then leaves the file unchanged.
  void replace(const MetricsRow& row);

 private:
  void write_kept();

  std::filesystem::path path_;
  LineAppender lines_;
  std::deque<std::string> kept_;  // rows to write
};

/// The complete lines of a file: its rows, and the problems of lines that are not rows.
struct MetricsLines {
  std::vector<MetricsRow> rows;
  std::vector<std::string> problems;  // "runs/x/metrics.jsonl:3: ..."
  bool ends_within_a_line = false;    // a write was interrupted there
};
MetricsLines scan_metrics(const std::filesystem::path& path);

/// Returns the rows of a file; none if it is missing. Ignores an incomplete last line, from an interrupted write.
/// Throws Error (bad_input) that names the first line that is not a row.
std::vector<MetricsRow> read_metrics(const std::filesystem::path& path);

/// Removes the rows after `step`, for a run that continues from there, and lines that are incomplete or not rows.
void truncate_metrics(const std::filesystem::path& path, std::int64_t step);

}  // namespace kiln
