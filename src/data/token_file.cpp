// Reads ids of two widths behind one interface, and writes them with a checksum.
#include "kiln/data/token_file.h"

#include "kiln/core/error.h"
#include "kiln/core/file.h"
#include "kiln/core/format.h"

#include "data/foreign_content.h"
#include <algorithm>
#include <array>
#include <bit>
#include <cassert>
#include <cstring>
#include <system_error>
#include <utility>

namespace kiln {
namespace {

static_assert(std::endian::native == std::endian::little, "token files are little-endian and read as they lie");

constexpr std::uint32_t kMagic16 = 20240520, kVersion16 = 1;
constexpr std::uint32_t kMagic32 = 20240801, kVersion32 = 7;
constexpr std::size_t kHeaderBytes = 1024;
constexpr Index kMost16 = 65536;                                  // ids that uint16 can hold
constexpr std::uint64_t kMostTextBytes = std::uint64_t{1} << 47;  // so that sums over many files do not overflow
enum HeaderField : std::size_t { kMagic = 0, kVersion = 1, kCount = 2, kTextBytes = 4, kChecksum = 6 };

template <class T>
T load(const char* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

std::uint32_t get32(std::string_view header, HeaderField field) {
  return load<std::uint32_t>(header.data() + 4 * field);
}
std::uint64_t get64(std::string_view header, HeaderField field) {
  return load<std::uint64_t>(header.data() + 4 * field);
}

template <class T>
void put(std::string& bytes, HeaderField field, T value) {
  std::memcpy(bytes.data() + 4 * field, &value, sizeof value);
}

/// Returns the checksum of a file with a header: the hash of the ids, which is known after the last one, continued over
/// the header with its checksum field zeroed.
std::uint64_t checksum(std::string_view header, std::uint64_t hash_of_ids) {
  std::string blank(header);
  put(blank, kChecksum, std::uint64_t{0});
  return hash_bytes(blank, hash_of_ids);
}

std::size_t width_of(Index vocab_size) { return vocab_size <= kMost16 ? 2 : 4; }

/// Calls body with a zero of the type of ids of `width` bytes.
template <class Body>
auto with_id_type(std::size_t width, Body&& body) {
  return width == 2 ? body(std::uint16_t{0}) : body(std::uint32_t{0});
}

}  // namespace

TokenFile::TokenFile(const std::filesystem::path& path) : name_(path.string()) {
  const auto mapped = std::make_shared<const MappedFile>(path);
  owner_ = mapped;
  open(mapped->bytes());
}

TokenFile::TokenFile(std::string bytes, std::string name) : name_(std::move(name)) {
  const auto held = std::make_shared<const std::string>(std::move(bytes));
  owner_ = held;
  open(*held);
}

void TokenFile::open(std::string_view bytes) {
  data_ = bytes.data();
  const std::uint32_t magic = bytes.size() >= 4 ? load<std::uint32_t>(bytes.data()) : 0;
  if (magic != kMagic16 && magic != kMagic32) {
    check_is_ids(name_, bytes);
    check_input(bytes.size() % 2 == 0,
                "{}: {}, an odd number; a token file without a header holds 2 bytes a token (uint16)", name_,
                counted(std::ssize(bytes), "byte"));
    size_ = static_cast<Index>(bytes.size() / 2);
    return;
  }
  check_input(bytes.size() >= kHeaderBytes, "{}: {}; a token file's header alone takes {}; was it truncated?", name_,
              counted(std::ssize(bytes), "byte"), format_count(kHeaderBytes));
  header_ = bytes.substr(0, kHeaderBytes);
  const std::uint32_t version = magic == kMagic16 ? kVersion16 : kVersion32;
  check_input(get32(header_, kVersion) == version, "{}: a token file of version {}; version {} is read (magic {})",
              name_, get32(header_, kVersion), version, magic);
  width_ = magic == kMagic16 ? 2 : 4;
  offset_ = kHeaderBytes;
  data_ += kHeaderBytes;
  const std::size_t held = bytes.size() - kHeaderBytes;
  const std::uint64_t count = get64(header_, kCount);
  check_input(held % width_ == 0 && held / width_ == count,
              "{}: its header says {} tokens of {} bytes, but {} bytes follow it; was it truncated?", name_, count,
              width_, held);
  size_ = static_cast<Index>(count);
  check_input(get64(header_, kTextBytes) <= kMostTextBytes,
              "{}: its header says that the tokens spell {} bytes of text; was it damaged?", name_,
              get64(header_, kTextBytes));
}

std::int32_t TokenFile::operator[](Index i) const {
  std::int32_t token = 0;
  read(i, 1, &token);
  return token;
}

void TokenFile::read(Index first, Index count, std::int32_t* out) const {
  assert(first >= 0 && count >= 0 && first + count <= size_);
  with_id_type(width_, [&]<class Id>(Id) {
    const char* from = data_ + static_cast<std::size_t>(first) * sizeof(Id);
    for (Index i = 0; i < count; ++i, from += sizeof(Id)) out[i] = static_cast<std::int32_t>(load<Id>(from));
  });
}

TokenFile TokenFile::slice(Index first, Index count) const {
  assert(first >= 0 && count >= 0 && first + count <= size_);
  TokenFile part = *this;
  const std::size_t skipped = static_cast<std::size_t>(first) * width_;
  part.header_ = {};
  part.data_ += skipped;
  part.offset_ += skipped;
  part.size_ = count;
  return part;
}

void TokenFile::check_vocabulary(Index vocab_size) const {
  with_id_type(width_, [&]<class Id>(Id) {
    for (Index i = 0; i < size_; ++i) {
      const std::size_t at = static_cast<std::size_t>(i) * sizeof(Id);
      const Id token = load<Id>(data_ + at);
      check_input(
          token < vocab_size,
          "{}: token {} at byte offset {} is not below the vocabulary's size, {}; was the file made with another "
          "tokenizer?",
          name_, token, offset_ + at, vocab_size);
    }
  });
}

std::optional<Index> TokenFile::text_bytes() const {
  const std::uint64_t count = header_.empty() ? 0 : get64(header_, kTextBytes);
  return count == 0 ? std::nullopt : std::optional<Index>(static_cast<Index>(count));
}

std::string_view TokenFile::ids() const { return {data_, static_cast<std::size_t>(size_) * width_}; }

std::uint64_t TokenFile::digest() const { return hash_bytes(ids()); }

bool TokenFile::is_intact() const {
  return !header_.empty() && get64(header_, kChecksum) == checksum(header_, digest());
}

TokenPacker::TokenPacker(Index vocab_size) : vocab_size_(vocab_size) {}

std::string_view TokenPacker::pack(std::span<const std::int32_t> tokens, Index text_bytes) {
  count_ += std::ssize(tokens);
  text_bytes_ += text_bytes;
  with_id_type(width_of(vocab_size_), [&]<class Id>(Id) {
    bytes_.resize(tokens.size() * sizeof(Id));
    char* to = bytes_.data();
    for (const std::int32_t token : tokens) {
      assert(token >= 0 && token < vocab_size_);
      const Id id = static_cast<Id>(token);
      std::memcpy(to, &id, sizeof id);
      to += sizeof id;
    }
  });
  hash_.update(bytes_);
  return bytes_;
}

std::string TokenPacker::header() const {
  const bool narrow = width_of(vocab_size_) == 2;
  std::string header(kHeaderBytes, '\0');
  put(header, kMagic, narrow ? kMagic16 : kMagic32);
  put(header, kVersion, narrow ? kVersion16 : kVersion32);
  put(header, kCount, static_cast<std::uint64_t>(count_));
  put(header, kTextBytes, static_cast<std::uint64_t>(text_bytes_));
  put(header, kChecksum, checksum(header, hash_.digest()));
  return header;
}

TokenFileBuilder::TokenFileBuilder(Index vocab_size) : packer_(vocab_size), bytes_(kHeaderBytes, '\0') {}

void TokenFileBuilder::append(std::span<const std::int32_t> tokens, Index text_bytes) {
  bytes_ += packer_.pack(tokens, text_bytes);
}

std::string TokenFileBuilder::finish() { return std::move(bytes_.replace(0, kHeaderBytes, packer_.header())); }

TokenFileWriter::TokenFileWriter(const std::filesystem::path& path, Index vocab_size)
    : path_(path), temporary_(path.string() + ".tmp"), packer_(vocab_size), file_(temporary_) {
  file_.write(std::string(kHeaderBytes, '\0'));
}

TokenFileWriter::~TokenFileWriter() {
  std::error_code ignored;  // a finished file has been renamed
  std::filesystem::remove(temporary_, ignored);
}

void TokenFileWriter::append(std::span<const std::int32_t> tokens, Index text_bytes) {
  file_.write(packer_.pack(tokens, text_bytes));
}

void TokenFileWriter::finish() {
  file_.rewrite(0, packer_.header());
  file_.finish();
  replace_file(temporary_, path_);
}

void write_token_file(const std::filesystem::path& path, std::span<const std::int32_t> tokens, Index vocab_size) {
  TokenFileWriter file(path, vocab_size);
  file.append(tokens);
  file.finish();
}

std::string raw_token_bytes(std::span<const std::int32_t> tokens, Index vocab_size) {
  check(vocab_size <= kMost16,
        "a vocabulary of {} does not fit nanoGPT's files, whose ids are uint16: {} at most; llm.c's file takes it",
        counted(vocab_size, "id"), format_count(kMost16));
  std::string bytes(tokens.size() * sizeof(std::uint16_t), '\0');
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const auto id = static_cast<std::uint16_t>(tokens[i]);
    std::memcpy(bytes.data() + i * sizeof id, &id, sizeof id);
  }
  return bytes;
}

void require_tokens(Index held, Index needed, std::string_view what, std::string_view why) {
  check(held >= needed, "{}: {}, but {} needs at least {}; give more text", what, counted(held, "token"), why,
        counted(needed, "token"));
}

}  // namespace kiln
