// Event files, which TensorBoard watches: what was measured at which step, as records of Protocol Buffers.
#pragma once

#include "kiln/core/file_streams.h"
#include "kiln/run/histogram.h"
#include "kiln/run/protobuf.h"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace kiln {

/// What is known of one step, each value under a tag; a tag's part before "/" is the heading that it is shown under.
class EventSummary {
 public:
  void scalar(std::string_view tag, double value);
  void text(std::string_view tag, std::string_view text);  // shown as it stands, not as Markdown
  void histogram(std::string_view tag, const Histogram& histogram);

  const ProtoMessage& message() const { return message_; }

 private:
  ProtoMessage message_;
};

/// The names that event files begin with.
inline constexpr std::string_view kEventFilePrefix = "events.out.tfevents.";

/// A new event file in a run directory: events.out.tfevents.SECONDS.HOST.PROCESS.NUMBER, which sorts behind those that
/// are there, since readers take them in that order.
class EventFile {
 public:
  /// Begins the file; where a run goes on from `resumed_step`, it tells readers to forget what an older file says of
  /// later steps. Throws Error (io).
  explicit EventFile(const std::filesystem::path& directory, std::optional<std::int64_t> resumed_step = std::nullopt);

  /// Adds a record, whole or not at all. Throws Error (io).
  void append(std::int64_t step, const EventSummary& summary);

  const std::filesystem::path& path() const { return path_; }

 private:
  void append(const ProtoMessage& event);

  std::filesystem::path path_;
  RecordAppender records_;
};

/// The event files in a run directory, in their order; none where there is no such folder.
std::vector<std::filesystem::path> list_event_files(const std::filesystem::path& directory);

}  // namespace kiln
