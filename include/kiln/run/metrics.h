// metrics.jsonl: one line a row of measurements, whole or not there at all.
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

/// One row. Every row has every key; null stands for what was not measured, or is not finite.
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

/// Appends rows to a file; each is one write. A row that the disk does not take is kept for the next try.
class MetricsWriter {
 public:
  explicit MetricsWriter(const std::filesystem::path& path) : path_(path), lines_(path) {}  // throws Error (io)
  void append(const MetricsRow& row);                                                       // throws Error (io)
  void sync();  // all rows are then on the disk; throws Error (io)

  /// Puts the row in the place of those of its step and later. Throws Error (io); those that are there then stay.
  void replace(const MetricsRow& row);

 private:
  void write_kept();

  std::filesystem::path path_;
  LineAppender lines_;
  std::deque<std::string> kept_;  // rows to be written
};

/// The complete lines of a file: its rows, and of those that are none what is wrong with them.
struct MetricsLines {
  std::vector<MetricsRow> rows;
  std::vector<std::string> problems;  // "runs/x/metrics.jsonl:3: ..."
  bool ends_within_a_line = false;    // a write was cut off there
};
MetricsLines scan_metrics(const std::filesystem::path& path);

/// The rows of a file, none where it is missing; a last line without its end is a write that was cut off, and passed
/// over. Throws Error (bad_input) that names the line that is no row.
std::vector<MetricsRow> read_metrics(const std::filesystem::path& path);

/// Removes the rows after `step`, for a run that goes on from there, and lines that a crash has left incomplete.
void truncate_metrics(const std::filesystem::path& path, std::int64_t step);

}  // namespace kiln
