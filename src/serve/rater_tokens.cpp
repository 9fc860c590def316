// Makes, hashes and compares tokens.
#include "serve/rater_tokens.h"

#include "kiln/core/descriptor.h"
#include "kiln/core/error.h"
#include "kiln/core/format.h"
#include "kiln/core/sha256.h"
#include "kiln/core/utc_time.h"
#include "kiln/serve/access.h"

#include <fmt/format.h>

#include "serve/api_error.h"
#include "serve/request_fields.h"
#include "serve/stored_data.h"
#include <array>
#include <cerrno>
#include <cstring>
#include <sys/random.h>
#include <sys/stat.h>
#include <utility>

namespace kiln {
namespace {

constexpr std::string_view kTokenStart = "kiln-rater-";
constexpr std::size_t kTokenBytes = 32;
constexpr std::size_t kLongestName = 100;  // bytes

std::string random_digits() {
  std::array<unsigned char, kTokenBytes> bytes{};
  const ssize_t filled = ::getrandom(bytes.data(), bytes.size(), 0);  // whole: so few bytes are never cut short
  check_io(filled == std::ssize(bytes), "the system gives no random numbers: {}", std::strerror(errno));
  std::string digits;
  for (const unsigned char byte : bytes) digits += fmt::format("{:02x}", byte);
  return digits;
}

std::optional<LineMeaning> meaning_of_token(const Json& line) {
  const auto name = line.find("name");
  if (name == line.end() || !name->is_string()) return std::nullopt;
  if (line.value("removed", Json(false)) == true) return LineMeaning{.key = *name, .removes = true};
  const auto hash = line.find("token_sha256");
  if (hash == line.end() || !hash->is_string()) return std::nullopt;
  return LineMeaning{.key = *name, .summary = {{"hash", *hash}, {"time", line.value("time", Json(""))}}};
}

void check_name(const std::string& name) {
  if (name.empty()) refuse_field("name", "it is missing or empty; the rater's name is expected");
  if (name.size() > kLongestName)
    refuse_field("name", fmt::format("it has more than {}", counted(kLongestName, "byte")));
  if (printable(name) != name || name.front() == ' ' || name.back() == ' ')
    expect_field("name", name, "printable text without spaces at its ends");
}

/// Creates a missing file, and takes the rights to it from all but this user.
void make_private_file(const std::filesystem::path& file) {
  const Descriptor opened(file, O_RDWR | O_CREAT, 0600);
  check_io(opened.is_open() && ::fchmod(opened.get(), 0600) == 0, "{}: cannot be made private: {}", file.string(),
           std::strerror(errno));
}

}  // namespace

RaterTokens::RaterTokens(const std::filesystem::path& folder)
    : file_(folder / "raters.jsonl"), lines_(file_, meaning_of_token) {}

bool RaterTokens::is_token(std::string_view text) { return text.starts_with(kTokenStart); }

std::string RaterTokens::add(const std::string& name) {
  check_name(name);
  std::string token = fmt::format("{}{}", kTokenStart, random_digits());
  LineStore::Access lines(lines_);
  append(lines, {{"name", name}, {"token_sha256", sha256(token)}, {"time", utc_now()}}, "the link is not made");
  return token;
}

std::optional<std::string> RaterTokens::rater_of(std::string_view token) {
  if (!is_token(token)) return std::nullopt;
  const std::string hash = sha256(token);
  const LineStore::Access lines(lines_);
  std::optional<std::string> rater;
  for (const auto& [name, entry] : lines.entries()) {
    if (is_same_secret(hash, entry.summary["hash"].get_ref<const std::string&>())) rater = name;
  }
  return rater;
}

Json RaterTokens::list() {
  const LineStore::Access lines(lines_);
  Json list = Json::array();
  for (const auto& [name, entry] : lines.entries()) list.push_back({{"name", name}, {"time", entry.summary["time"]}});
  return list;
}

void RaterTokens::remove(const std::string& name) {
  LineStore::Access lines(lines_);
  if (lines.find(name) == nullptr)
    throw ApiError(404, printable(fmt::format("there is no link for {}; was it revoked?", brief_json(name))), "name");
  append(lines, {{"name", name}, {"removed", true}}, "the link is not revoked");
}

void RaterTokens::append(LineStore::Access& lines, const Json& line, std::string_view failure) const {
  store_or_refuse(failure, [&] {
    make_private_file(file_);
    lines.append(line.dump());
  });
}

}  // namespace kiln
