// The fields' numbers are those of TensorBoard's event.proto, summary.proto and tensor.proto.
#include "kiln/run/event_file.h"

#include "kiln/core/file.h"
#include "kiln/run/crc32c.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <system_error>
#include <unistd.h>

namespace kiln {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kVersion = "brain.Event:2";

namespace event {
enum Field { wall_time = 1, step = 2, file_version = 3, summary = 5, session_log = 7 };
}
namespace session_log {
enum Field { status = 1 };
constexpr std::int64_t kStart = 1;
}  // namespace session_log
namespace summary {
enum Field { value = 1 };
}
namespace value {
enum Field { tag = 1, simple_value = 2, histogram = 5, tensor = 8, metadata = 9 };
}
namespace histogram_proto {
enum Field { min = 1, max = 2, num = 3, sum = 4, sum_squares = 5, bucket_limit = 6, bucket = 7 };
}
namespace metadata {
enum Field { plugin_data = 1, plugin_name = 1 };
}
namespace tensor {
enum Field { dtype = 1, shape = 2, string_val = 8 };
enum ShapeField { dim = 2, size = 1 };
constexpr std::int64_t kString = 7;
}  // namespace tensor

double wall_seconds() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

/// An event that says no more than when.
ProtoMessage event_now() {
  ProtoMessage message;
  message.real(event::wall_time, wall_seconds());
  return message;
}

/// Four spaces before every line: what Markdown leaves as it is.
std::string as_code(std::string_view text) {
  std::string code = "    ";
  for (const char c : text) {
    code += c;
    if (c == '\n') code += "    ";
  }
  return code;
}

std::string host_name() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 && name[0] != '\0' ? name.data() : "localhost";
}

/// The seconds in an event file's name; 0 where there are none.
std::int64_t seconds_of(const fs::path& file) {
  const std::string name = file.filename().string();
  std::int64_t seconds = 0;
  std::from_chars(name.data() + kEventFilePrefix.size(), name.data() + name.size(), seconds);
  return seconds;
}

fs::path new_path(const fs::path& directory) {
  static int number = 0;  // tells the files of one process apart
  auto seconds = static_cast<std::int64_t>(wall_seconds());
  for (const fs::path& file : list_event_files(directory)) seconds = std::max(seconds, seconds_of(file) + 1);
  return directory / fmt::format("{}{:010}.{}.{}.{}", kEventFilePrefix, seconds, host_name(), ::getpid(), number++);
}

}  // namespace

void EventSummary::scalar(std::string_view tag, double number) {
  ProtoMessage one;
  one.bytes(value::tag, tag);
  one.real(value::simple_value, static_cast<float>(number));
  message_.message(summary::value, one);
}

void EventSummary::text(std::string_view tag, std::string_view text) {
  ProtoMessage size, shape, strings, plugin, about, one;
  size.integer(tensor::size, 1);
  shape.message(tensor::dim, size);
  strings.integer(tensor::dtype, tensor::kString);
  strings.message(tensor::shape, shape);
  strings.bytes(tensor::string_val, as_code(text));
  plugin.bytes(metadata::plugin_name, "text");
  about.message(metadata::plugin_data, plugin);
  one.bytes(value::tag, tag);
  one.message(value::tensor, strings);
  one.message(value::metadata, about);
  message_.message(summary::value, one);
}

void EventSummary::histogram(std::string_view tag, const Histogram& histogram) {
  ProtoMessage counts, one;
  counts.real(histogram_proto::min, histogram.min);
  counts.real(histogram_proto::max, histogram.max);
  counts.real(histogram_proto::num, histogram.count);
  counts.real(histogram_proto::sum, histogram.sum);
  counts.real(histogram_proto::sum_squares, histogram.sum_of_squares);
  counts.reals(histogram_proto::bucket_limit, histogram.limits);
  counts.reals(histogram_proto::bucket, histogram.counts);
  one.bytes(value::tag, tag);
  one.message(value::histogram, counts);
  message_.message(summary::value, one);
}

EventFile::EventFile(const fs::path& directory, std::optional<std::int64_t> resumed_step)
    : path_(new_path(directory)), records_(path_) {
  ProtoMessage first = event_now();
  first.bytes(event::file_version, kVersion);
  append(first);
  if (!resumed_step) return;
  ProtoMessage start, session = event_now();
  start.integer(session_log::status, session_log::kStart);
  session.integer(event::step, *resumed_step + 1);  // the first that is forgotten
  session.message(event::session_log, start);
  append(session);
}

void EventFile::append(std::int64_t step, const EventSummary& summary) {
  ProtoMessage message = event_now();
  message.integer(event::step, step);
  message.message(event::summary, summary.message());
  append(message);
}

/// Length, checksum of the length, the event, its checksum.
void EventFile::append(const ProtoMessage& event) {
  constexpr int kLengthBytes = 8, kChecksumBytes = 4;
  std::string record;
  append_little_endian(record, event.encoded().size(), kLengthBytes);
  append_little_endian(record, masked_crc32c(record), kChecksumBytes);
  record += event.encoded();
  append_little_endian(record, masked_crc32c(event.encoded()), kChecksumBytes);
  records_.append(record);
}

std::vector<fs::path> list_event_files(const fs::path& directory) {
  std::vector<fs::path> files = list_folder(directory);
  std::erase_if(files, [](const fs::path& path) { return !path.filename().string().starts_with(kEventFilePrefix); });
  return files;
}

}  // namespace kiln
