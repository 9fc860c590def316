// Locks a file beside the data, since rewriting replaces the data's own.
#include "serve/line_store.h"

#include "kiln/core/error.h"
#include "kiln/core/file.h"
#include "kiln/core/report.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <span>
#include <sys/file.h>
#include <sys/stat.h>
#include <utility>

namespace kiln {
namespace {

bool is_whole_json(std::string_view line) { return Json::accept(line.begin(), line.end()); }

std::filesystem::path lock_file_of(std::filesystem::path file) { return file += ".lock"; }

}  // namespace

LineStore::LineStore(std::filesystem::path file, Meaning meaning)
    : file_(std::move(file)), meaning_(std::move(meaning)), lock_(lock_file_of(file_), O_RDWR | O_CREAT, 0600) {
  check_io(lock_.is_open(), "{}: cannot be opened: {}", lock_file_of(file_).string(), std::strerror(errno));
}

LineStore::Access::Access(LineStore& store) : store_(store), threads_(store.mutex_) {
  while (::flock(store_.lock_.get(), LOCK_EX) != 0) {
    check_io(errno == EINTR, "{}: cannot be locked: {}", store_.file_.string(), std::strerror(errno));
  }
  try {
    store_.read_new_lines();
  } catch (...) {
    ::flock(store_.lock_.get(), LOCK_UN);
    throw;
  }
}

LineStore::Access::~Access() { ::flock(store_.lock_.get(), LOCK_UN); }

const LineStore::Entry* LineStore::Access::find(const std::string& key) const {
  const auto found = store_.entries_.find(key);
  return found == store_.entries_.end() ? nullptr : &found->second;
}

std::string LineStore::Access::text(const Entry& entry) const { return store_.bytes_of(entry.offset, entry.length); }

void LineStore::Access::append(std::string_view line) {
  SharedAppender(store_.file_, is_whole_json).append(line);
  store_.read_new_lines();
}

void LineStore::Access::replace(const std::string& key, std::string_view line) { store_.rewrite(key, line); }

void LineStore::Access::drop_superseded(std::uint64_t least) {
  const std::uint64_t rest = store_.position_ - std::min(store_.position_, store_.superseded_);
  if (store_.superseded_ < std::max(least, rest)) return;
  try {
    store_.rewrite("", "");
  } catch (const Error& error) {
    warn("{}: stays longer than it need be: {}", store_.file_.string(), error.what());
  }
}

/// Reads what others have added, or all if they have rewritten the file.
void LineStore::read_new_lines() {
  struct stat status {};
  const bool is_there = ::stat(file_.c_str(), &status) == 0;
  const auto size = is_there ? static_cast<std::uint64_t>(status.st_size) : 0;
  if (!is_there || status.st_dev != device_ || status.st_ino != inode_ || size < position_) {
    reader_.reset();
    if (is_there) reader_.emplace(file_);
    device_ = status.st_dev;
    inode_ = status.st_ino;
    position_ = superseded_ = 0;
    entries_.clear();
    others_.clear();
  }
  if (size == position_) return;
  const std::string bytes = bytes_of(position_, size - position_);
  std::size_t begin = 0;
  for (std::size_t end = 0; (end = bytes.find('\n', begin)) != std::string::npos; begin = end + 1) {
    take_line(std::string_view(bytes).substr(begin, end - begin), position_ + begin);
  }
  const std::string_view last = std::string_view(bytes).substr(begin);
  if (!last.empty() && is_whole_json(last)) {  // whole, but for its line feed
    take_line(last, position_ + begin);
    begin = bytes.size();
  }
  position_ += begin;
}

void LineStore::take_line(std::string_view line, std::uint64_t offset) {
  if (line.find_first_not_of(" \t\r") == std::string_view::npos) return;
  const Json json = Json::parse(line, nullptr, false);
  std::optional<LineMeaning> meaning = json.is_object() ? meaning_(json) : std::nullopt;
  Entry entry{.offset = offset, .length = line.size(), .summary = {}};
  if (!meaning) {
    if (json.is_discarded()) warn("{}: byte {}: a line that is not JSON is left as it is", file_.string(), offset);
    others_.push_back(std::move(entry));
    return;
  }
  const auto [earlier, is_new] = entries_.try_emplace(meaning->key);
  if (!is_new) superseded_ += earlier->second.length + 1;
  if (meaning->removes) {
    superseded_ += line.size() + 1;
    entries_.erase(earlier);
  } else {
    entry.summary = std::move(meaning->summary);
    earlier->second = std::move(entry);
  }
}

std::string LineStore::bytes_of(std::uint64_t offset, std::size_t length) const {
  std::string bytes(length, '\0');
  if (reader_) reader_->read(offset, std::as_writable_bytes(std::span(bytes)));
  return bytes;
}

/// Replaces the file by one with the lines that count, except that of the key `dropped`, and with the line `added`.
void LineStore::rewrite(const std::string& dropped, std::string_view added) {
  std::vector<Entry> kept = others_;
  for (const auto& [key, entry] : entries_) {
    if (key != dropped) kept.push_back(entry);
  }
  std::ranges::sort(kept, {}, &Entry::offset);
  std::string bytes;
  for (const Entry& entry : kept) bytes.append(bytes_of(entry.offset, entry.length)).append("\n");
  if (!added.empty()) bytes.append(added).append("\n");
  write_file_atomically(file_, bytes);
  read_new_lines();
}

}  // namespace kiln
