// Writes event files for TensorBoard: scalars, texts and histograms of each step.
#pragma once

#include "kiln/core/file_streams.h"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace kiln {

/// The distribution of a tensor's finite values. Bucket i counts the values between limits[i - 1] (for the first
/// bucket: min) and limits[i]. The limits rise. A bucket is at most an eighth of its values' magnitude wide; all values
/// below a thousandth of the largest magnitude share one. Without values there are no buckets.
struct Histogram {
  double min = 0, max = 0;
  double count = 0;
  double sum = 0, sum_of_squares = 0;
  std::vector<double> limits;
  std::vector<double> counts;
};

/// Counts finite values, each times `scale`, by TensorBoard's buckets.
Histogram histogram_of(std::span<const float> values, float scale = 1);

/// The values of one step, each with a tag. TensorBoard groups values by the part of the tag before "/".
class EventSummary {
 public:
  void scalar(std::string_view tag, double value);
  void text(std::string_view tag, std::string_view text);  // shown verbatim, not as Markdown
  void histogram(std::string_view tag, const Histogram& histogram);

  /// Returns the values as a Protocol Buffers message of type Summary.
  const std::string& encoded() const { return encoded_; }

 private:
  std::string encoded_;
};

/// A new event file in a run directory: events.out.tfevents.SECONDS.HOST.PROCESS.NUMBER. Readers take event files in
/// the order of their names, so the new name sorts after the existing ones.
class EventFile {
 public:
  /// Creates the file. `resumed_step` is the step that a resumed run starts from: readers then discard what older files
  /// contain of later steps. Throws Error (io).
  explicit EventFile(const std::filesystem::path& directory, std::optional<std::int64_t> resumed_step = std::nullopt);

  /// Appends a record, complete or not at all. Throws Error (io).
  void append(std::int64_t step, const EventSummary& summary);

  const std::filesystem::path& path() const { return path_; }

 private:
  void append_event(std::string_view event);

  std::filesystem::path path_;
  RecordAppender records_;
};

/// Returns the event files of a run directory in the order of their names; none if the folder does not exist.
std::vector<std::filesystem::path> list_event_files(const std::filesystem::path& directory);

}  // namespace kiln
