// Encodes TensorBoard's files: Protocol Buffers messages, in records with checksums.
#include "kiln/run/tensorboard.h"

#include "kiln/core/file.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <chrono>
#include <cmath>
#include <limits>
#include <system_error>
#include <unistd.h>

namespace kiln {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kEventFilePrefix = "events.out.tfevents.";
constexpr std::string_view kVersion = "brain.Event:2";

// ---- Protocol Buffers ----

/// Appends the `count` lowest bytes of a number, lowest first.
void append_little_endian(std::string& bytes, std::uint64_t value, int count) {
  for (; count > 0; --count, value >>= 8) bytes += static_cast<char>(value & 0xFF);
}

enum WireType : unsigned { kVarint = 0, kFixed64 = 1, kLengthDelimited = 2, kFixed32 = 5 };

/// Builds a Protocol Buffers message by appending fields, each with its number.
class ProtoMessage {
 public:
  void integer(int field, std::int64_t value) {  // int64, bool and enumerations
    key(field, kVarint);
    varint(static_cast<std::uint64_t>(value));
  }

  void real(int field, float value) {
    key(field, kFixed32);
    append_little_endian(encoded_, std::bit_cast<std::uint32_t>(value), sizeof value);
  }

  void real(int field, double value) {
    key(field, kFixed64);
    append_little_endian(encoded_, std::bit_cast<std::uint64_t>(value), sizeof value);
  }

  void bytes(int field, std::string_view value) {  // also for strings
    key(field, kLengthDelimited);
    varint(value.size());
    encoded_ += value;
  }

  void message(int field, const ProtoMessage& value) { bytes(field, value.encoded()); }

  void reals(int field, std::span<const double> values) {  // a repeated double, packed
    key(field, kLengthDelimited);
    varint(values.size() * sizeof(double));
    for (const double value : values) append_little_endian(encoded_, std::bit_cast<std::uint64_t>(value), sizeof value);
  }

  const std::string& encoded() const { return encoded_; }

 private:
  void varint(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) encoded_ += static_cast<char>((value & 0x7F) | 0x80);
    encoded_ += static_cast<char>(value);
  }

  void key(int field, unsigned wire_type) { varint(static_cast<std::uint64_t>(field) << 3 | wire_type); }

  std::string encoded_;
};

// Field numbers in TensorBoard's event.proto, summary.proto and tensor.proto.
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

/// Appends a value to an encoded Summary.
void add_value(std::string& encoded, const ProtoMessage& value) {
  ProtoMessage one;
  one.message(summary::value, value);
  encoded += one.encoded();
}

// ---- checksums ----

constexpr std::uint32_t kPolynomial = 0x82F63B78;  // Castagnoli's, lowest bit first
constexpr std::uint32_t kMaskDelta = 0xA282EAD8;

constexpr std::array<std::uint32_t, 256> make_table() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t byte = 0; byte < table.size(); ++byte) {
    std::uint32_t remainder = byte;
    for (int bit = 0; bit < 8; ++bit) remainder = remainder >> 1 ^ ((remainder & 1) != 0 ? kPolynomial : 0);
    table[byte] = remainder;
  }
  return table;
}

constexpr std::array<std::uint32_t, 256> kTable = make_table();

/// Returns the CRC-32C (Castagnoli, RFC 3720). Works byte by byte: records are small and rare.
std::uint32_t crc32c(std::string_view bytes) {
  std::uint32_t crc = ~0U;
  for (const char c : bytes) crc = crc >> 8 ^ kTable[(crc ^ static_cast<unsigned char>(c)) & 0xFF];
  return ~crc;
}

/// Returns the masked checksum that records store: rotated, plus a constant, so that a checksum over data that contains
/// checksums stays strong.
std::uint32_t masked_crc32c(std::string_view bytes) { return std::rotr(crc32c(bytes), 15) + kMaskDelta; }

// ---- histograms ----

// A float's bucket is its exponent and the first bits of its fraction, read as one number.
constexpr int kFractionBits = 3;  // 2^kFractionBits buckets per octave
constexpr int kShift = 23 - kFractionBits;
constexpr int kOctaves = 10;  // octaves below the largest magnitude with buckets of their own
constexpr std::size_t kInfinite = 0xFFU << kFractionBits;  // the first bucket of non-finite values
constexpr std::size_t kBuckets = 0x100U << kFractionBits;

/// Returns the magnitude at which a bucket begins.
double begin_of(std::size_t bucket) {
  if (bucket >= kInfinite) return std::numeric_limits<float>::max();
  return static_cast<double>(std::bit_cast<float>(static_cast<std::uint32_t>(bucket) << kShift));
}

/// The counts of each bucket of magnitude, by sign.
struct Counts {
  std::vector<std::int64_t> positive = std::vector<std::int64_t>(kBuckets);
  std::vector<std::int64_t> negative = std::vector<std::int64_t>(kBuckets);
};

/// Adds a bucket at the upper end. Skips leading empty buckets; merges consecutive empty ones.
void add_bucket(Histogram& histogram, double limit, std::int64_t count) {
  if (count == 0 && histogram.limits.empty()) return;
  if (count == 0 && histogram.counts.back() == 0) {
    histogram.limits.back() = limit;
    return;
  }
  histogram.limits.push_back(limit);
  histogram.counts.push_back(static_cast<double>(count));
}

void add_buckets(Histogram& histogram, const Counts& counts) {
  constexpr std::size_t kKept = std::size_t{kOctaves} << kFractionBits;
  std::size_t end = 1;  // after the bucket of the largest magnitude
  for (std::size_t i = 0; i < kInfinite; ++i) {
    if (counts.positive[i] + counts.negative[i] > 0) end = i + 1;
  }
  const std::size_t least = end > kKept + 1 ? end - kKept : 1;
  std::int64_t small = 0;
  for (std::size_t i = 0; i < least; ++i) small += counts.positive[i] + counts.negative[i];
  for (std::size_t i = end; i-- > least;) add_bucket(histogram, -begin_of(i), counts.negative[i]);
  add_bucket(histogram, begin_of(least), small);
  for (std::size_t i = least; i < end; ++i) add_bucket(histogram, begin_of(i + 1), counts.positive[i]);
  if (!histogram.counts.empty() && histogram.counts.back() == 0) {
    histogram.limits.pop_back();
    histogram.counts.pop_back();
  }
}

// ---- events and their files ----

double wall_seconds() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

/// Returns an event that contains only the time.
ProtoMessage event_now() {
  ProtoMessage message;
  message.real(event::wall_time, wall_seconds());
  return message;
}

/// Indents every line by four spaces, which makes it verbatim text in Markdown.
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

/// Returns the seconds in an event file's name; 0 if it has none.
std::int64_t seconds_of(const fs::path& file) {
  const std::string name = file.filename().string();
  std::int64_t seconds = 0;
  std::from_chars(name.data() + kEventFilePrefix.size(), name.data() + name.size(), seconds);
  return seconds;
}

fs::path new_path(const fs::path& directory) {
  static int number = 0;  // distinguishes the files of one process
  auto seconds = static_cast<std::int64_t>(wall_seconds());
  for (const fs::path& file : list_event_files(directory)) seconds = std::max(seconds, seconds_of(file) + 1);
  return directory / fmt::format("{}{:010}.{}.{}.{}", kEventFilePrefix, seconds, host_name(), ::getpid(), number++);
}

}  // namespace

Histogram histogram_of(std::span<const float> values, float scale) {
  Histogram histogram;
  histogram.min = std::numeric_limits<double>::infinity();
  histogram.max = -histogram.min;
  Counts counts;
  for (const float unscaled : values) {
    const float value = scale * unscaled;
    const auto bits = std::bit_cast<std::uint32_t>(value);
    const std::size_t bucket = (bits & 0x7FFFFFFFU) >> kShift;
    if (bucket >= kInfinite) continue;
    ++(value < 0 ? counts.negative : counts.positive)[bucket];
    const auto wide = static_cast<double>(value);
    histogram.min = std::min(histogram.min, wide);
    histogram.max = std::max(histogram.max, wide);
    histogram.count += 1;
    histogram.sum += wide;
    histogram.sum_of_squares += wide * wide;
  }
  if (histogram.count == 0) histogram.min = histogram.max = 0;
  add_buckets(histogram, counts);
  return histogram;
}

void EventSummary::scalar(std::string_view tag, double number) {
  ProtoMessage one;
  one.bytes(value::tag, tag);
  one.real(value::simple_value, static_cast<float>(number));
  add_value(encoded_, one);
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
  add_value(encoded_, one);
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
  add_value(encoded_, one);
}

EventFile::EventFile(const fs::path& directory, std::optional<std::int64_t> resumed_step)
    : path_(new_path(directory)), records_(path_) {
  ProtoMessage first = event_now();
  first.bytes(event::file_version, kVersion);
  append_event(first.encoded());
  if (!resumed_step) return;
  ProtoMessage start, session = event_now();
  start.integer(session_log::status, session_log::kStart);
  session.integer(event::step, *resumed_step + 1);  // the first step to discard
  session.message(event::session_log, start);
  append_event(session.encoded());
}

void EventFile::append(std::int64_t step, const EventSummary& summary) {
  ProtoMessage message = event_now();
  message.integer(event::step, step);
  message.bytes(event::summary, summary.encoded());
  append_event(message.encoded());
}

/// Appends the length, the checksum of the length, the event and its checksum.
void EventFile::append_event(std::string_view event) {
  constexpr int kLengthBytes = 8, kChecksumBytes = 4;
  std::string record;
  append_little_endian(record, event.size(), kLengthBytes);
  append_little_endian(record, masked_crc32c(record), kChecksumBytes);
  record += event;
  append_little_endian(record, masked_crc32c(event), kChecksumBytes);
  records_.append(record);
}

std::vector<fs::path> list_event_files(const fs::path& directory) {
  std::vector<fs::path> files = list_folder(directory);
  std::erase_if(files, [](const fs::path& path) { return !path.filename().string().starts_with(kEventFilePrefix); });
  return files;
}

}  // namespace kiln
