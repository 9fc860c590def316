// Writes and reads the text of HTTP by hand: a reply's head is a few lines.
#include "serve/http_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <iterator>
#include <utility>

namespace kiln {
namespace {

constexpr std::pair<int, std::string_view> kReasons[] = {
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {204, "No Content"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {303, "See Other"},
    {304, "Not Modified"},
    {307, "Temporary Redirect"},
    {308, "Permanent Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {413, "Content Too Large"},
    {415, "Unsupported Media Type"},
    {417, "Expectation Failed"},
    {422, "Unprocessable Content"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {499, "Client Closed Request"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
    {507, "Insufficient Storage"},
};

std::string_view reason_of(int status) {
  for (const auto& [known, reason] : kReasons) {
    if (known == status) return reason;
  }
  return status < 400 ? "OK" : "Error";
}

/// Returns the Date of now, which is formatted once a second.
const std::string& date_now() {
  thread_local std::time_t last = -1;
  thread_local std::string date;
  const std::time_t now = std::time(nullptr);
  if (now != last) {
    date = http_date(now);
    last = now;
  }
  return date;
}

void append_header(std::string& text, std::string_view name, std::string_view value) {
  const std::size_t begin = text.size();
  text.append(name).append(": ").append(value);
  for (std::size_t i = begin; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte < 0x20 || byte == 0x7f) text[i] = ' ';
  }
  text += "\r\n";
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

}  // namespace

std::string_view HttpRequest::header(std::string_view name) const {
  for (const auto& [known, value] : headers) {
    if (known == name) return value;
  }
  return {};
}

bool has_body(int status, const ReplyForm& form) {
  return !form.is_head && status >= 200 && status != 204 && status != 304;
}

bool is_chunked(int status, const ReplyForm& form) { return has_body(status, form) && !form.is_http_1_0; }

std::string head_of(const HttpReply& reply, const ReplyForm& form, std::optional<std::size_t> length) {
  const bool describes_body = has_body(reply.status, {.is_head = false});  // HEAD: the headers that GET would have
  std::string head;
  head.reserve(256 + (form.is_head ? 0 : length.value_or(0)));
  fmt::format_to(std::back_inserter(head), "HTTP/1.1 {} {}\r\nDate: {}\r\n", reply.status, reason_of(reply.status),
                 date_now());
  if (describes_body && !reply.content_type.empty()) append_header(head, "Content-Type", reply.content_type);
  if (describes_body && length) fmt::format_to(std::back_inserter(head), "Content-Length: {}\r\n", *length);
  if (describes_body && !length && !form.is_http_1_0) head += "Transfer-Encoding: chunked\r\n";
  if (!form.keeps_alive) head += "Connection: close\r\n";
  if (form.keeps_alive && form.is_http_1_0) head += "Connection: keep-alive\r\n";
  for (const auto& [name, value] : reply.headers) append_header(head, name, value);
  head += "\r\n";
  return head;
}

void append_chunk(std::string& text, std::string_view piece) {
  if (piece.empty()) return;
  fmt::format_to(std::back_inserter(text), "{:x}\r\n", piece.size());
  text.append(piece).append("\r\n");
}

std::string http_date(std::time_t time) {
  static constexpr std::array kDays{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr std::array kMonths{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  std::tm parts{};
  ::gmtime_r(&time, &parts);  // strftime would write the names in the user's language
  return fmt::format("{}, {:02} {} {} {:02}:{:02}:{:02} GMT", kDays[static_cast<std::size_t>(parts.tm_wday)],
                     parts.tm_mday, kMonths[static_cast<std::size_t>(parts.tm_mon)], parts.tm_year + 1900,
                     parts.tm_hour, parts.tm_min, parts.tm_sec);
}

std::optional<std::string> percent_decoded(std::string_view text) {
  std::string decoded;
  decoded.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded += text[i];
      continue;
    }
    if (text.size() - i < 3) return std::nullopt;
    const int high = hex_digit(text[i + 1]), low = hex_digit(text[i + 2]);
    if (high < 0 || low < 0 || (high == 0 && low == 0)) return std::nullopt;
    decoded += static_cast<char>(16 * high + low);
    i += 2;
  }
  return decoded;
}

bool equal_but_for_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) { return lower(x) == lower(y); });
}

std::string in_lower_case(std::string_view text) {
  std::string result(text);
  for (char& c : result) c = lower(c);
  return result;
}

}  // namespace kiln
