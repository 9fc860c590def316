// Decompresses piece by piece, so that no length that a file states is trusted.
#include "kiln/core/compressed_file.h"

#include "kiln/core/error.h"
#include "kiln/core/extension.h"
#include "kiln/core/file.h"
#include "kiln/core/format.h"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <memory>
#include <string_view>
#include <zlib.h>
#include <zstd.h>

namespace kiln {
namespace {

constexpr std::size_t kOutputBytes = 256 << 10;                 // decompressed at a time
constexpr std::size_t kMostInputBytes = 1u << 30;               // given to zlib at a time, which counts in 32 bits
constexpr int kGzipWindow = 15 + 16;                            // the largest window; a gzip header, and no other
constexpr int kSmallestWindowLog = 10, kLargestWindowLog = 27;  // zstd's smallest; what zstd --ultra writes
constexpr std::string_view kGzipBegin = "\x1F\x8B", kZstdBegin = "\x28\xB5\x2F\xFD";
constexpr std::string_view kRemedy = "download it again, or compress it again";

bool has_extension(const std::filesystem::path& file, std::string_view extension) {
  return lower_extension(file) == extension;
}

/// Gathers what comes out of a file.
class Output {
 public:
  Output(std::string name, std::uint64_t most_bytes) : name_(std::move(name)), most_bytes_(most_bytes) {}

  char* room() { return piece_.get(); }

  void take(std::size_t count) {
    check_input(bytes_.size() + count <= most_bytes_,
                "{}: decompresses to more than the {} that there is memory for; decompress it to a file and name that",
                name_, format_bytes(static_cast<double>(most_bytes_)));
    bytes_.append(piece_.get(), count);
  }

  std::string finish() { return std::move(bytes_); }

 private:
  std::string name_, bytes_;
  std::uint64_t most_bytes_;
  std::unique_ptr<char[]> piece_ = std::make_unique<char[]>(kOutputBytes);
};

struct EndInflate {
  void operator()(z_stream* stream) const { ::inflateEnd(stream); }
};

std::string gunzip(const std::string& name, std::string_view input, std::uint64_t most_bytes) {
  z_stream stream{};
  check_io(::inflateInit2(&stream, kGzipWindow) == Z_OK, "{}: no memory to decompress it with", name);
  const std::unique_ptr<z_stream, EndInflate> owner(&stream);
  Output output(name, most_bytes);
  for (bool is_within_member = true; is_within_member || !input.empty();) {
    if (!is_within_member) ::inflateReset(&stream);  // one more member follows
    const std::size_t given = std::min(input.size(), kMostInputBytes);
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(input.data()));
    stream.avail_in = static_cast<uInt>(given);
    stream.next_out = reinterpret_cast<Bytef*>(output.room());
    stream.avail_out = kOutputBytes;
    const int status = ::inflate(&stream, Z_NO_FLUSH);
    input.remove_prefix(given - stream.avail_in);
    output.take(kOutputBytes - stream.avail_out);
    check_input(status != Z_BUF_ERROR, "{}: the gzip data is cut short; {}", name, kRemedy);
    check_input(status == Z_OK || status == Z_STREAM_END, "{}: is damaged, or not compressed by gzip ({}); {}", name,
                stream.msg != nullptr ? stream.msg : "no reason given", kRemedy);
    is_within_member = status != Z_STREAM_END;
  }
  return output.finish();
}

std::string unzstd(const std::string& name, std::string_view input, std::uint64_t most_bytes) {
  const std::unique_ptr<ZSTD_DCtx, std::size_t (*)(ZSTD_DCtx*)> context(::ZSTD_createDCtx(), ::ZSTD_freeDCtx);
  check_io(context != nullptr, "{}: no memory to decompress it with", name);
  Output output(name, most_bytes);
  const int most_log = std::clamp(static_cast<int>(std::bit_width(most_bytes)), kSmallestWindowLog, kLargestWindowLog);
  ::ZSTD_DCtx_setParameter(context.get(), ZSTD_d_windowLogMax, most_log);
  ZSTD_inBuffer in{input.data(), input.size(), 0};
  bool is_within_frame = true, has_more_output = false;
  while (is_within_frame || in.pos < in.size) {
    check_input(in.pos < in.size || has_more_output, "{}: the zstd data is cut short; {}", name, kRemedy);
    ZSTD_outBuffer out{output.room(), kOutputBytes, 0};
    const std::size_t left = ::ZSTD_decompressStream(context.get(), &out, &in);
    check_input(::ZSTD_isError(left) == 0, "{}: is damaged, or not compressed by zstd ({}); {}", name,
                ::ZSTD_getErrorName(left), kRemedy);
    output.take(out.pos);
    is_within_frame = left != 0;
    has_more_output = out.pos == out.size;
  }
  return output.finish();
}

}  // namespace

bool is_compressed(const std::filesystem::path& file) {
  return has_extension(file, ".gz") || has_extension(file, ".zst");
}

std::filesystem::path without_compression(const std::filesystem::path& file) {
  return is_compressed(file) ? std::filesystem::path(file).replace_extension() : file;
}

std::string read_decompressed(const std::filesystem::path& file, std::uint64_t most_bytes) {
  std::string bytes = read_file(file);
  if (!is_compressed(file)) return bytes;
  bool is_gzip = has_extension(file, ".gz");
  if (bytes.starts_with(kGzipBegin)) is_gzip = true;  // the contents count, not the name
  if (bytes.starts_with(kZstdBegin)) is_gzip = false;
  return is_gzip ? gunzip(file.string(), bytes, most_bytes) : unzstd(file.string(), bytes, most_bytes);
}

}  // namespace kiln
