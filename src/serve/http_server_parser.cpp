// Drives Beast's parser step by step, and turns its errors into replies.
#include "serve/http_server_parser.h"

#include "kiln/core/format.h"
#include "kiln/core/shown_text.h"
#include "kiln/serve/access.h"

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/error.hpp>
#include <fmt/format.h>

namespace kiln {
namespace {

namespace beast_http = boost::beast::http;

constexpr std::size_t kShortestEnd = 5;  // "0\r\n\r\n" ends a body in chunks

std::string_view view(boost::beast::string_view text) { return {text.data(), text.size()}; }

}  // namespace

RequestParser::RequestParser(const HttpLimits& limits) : limits_(limits) {
  header_limit(static_cast<std::uint32_t>(limits.header_bytes));
  body_limit(limits.body_bytes);
}

void RequestParser::take(std::string& input) {
  std::size_t used = 0;
  while (!is_done() && !refusal_) {
    const std::size_t left = input.size() - used;
    // Beast 1.74 asserts that it sees a whole "0\r\n" and two bytes more. As many always come.
    if (left == 0 || (is_header_done() && chunked() && left < kShortestEnd)) break;
    Code error;
    const bool is_in_header = !is_header_done();
    const std::size_t taken = put(boost::asio::buffer(input.data() + used, left), error);
    used += taken;
    if (is_in_header) header_bytes_ += taken;
    if (error == beast_http::error::need_more) {
      check_length(left - taken);
      break;
    }
    if (error) {
      refuse_because(error);
    } else if (is_in_header && header_bytes_ > limits_.header_bytes) {
      refuse_because(beast_http::error::header_limit);
    }
  }
  input.erase(0, used);
}

/// Refuses a header that is too long in all, since Beast 1.74 limits what it is shown at a time; and a chunk's header
/// or trailer, which Beast does not limit. `untaken` bytes are too few to go on with.
void RequestParser::check_length(std::size_t untaken) {
  Code ignored;
  if (!is_header_done() && header_bytes_ + untaken > limits_.header_bytes) {
    refuse_because(beast_http::error::header_limit);
  } else if (is_header_done() && untaken > limits_.header_bytes) {
    refuse(400, "the header of a chunk of the body does not end", ignored);
  }
}

void RequestParser::refuse(int status, std::string_view message, Code& error) {
  if (!refusal_) refusal_ = error_reply(status, message);
  error = beast_http::error::bad_field;  // any: it stops the parser
}

void RequestParser::refuse_because(const Code& error) {
  Code ignored;
  if (error == beast_http::error::header_limit) {
    refuse(431,
           fmt::format("the request's header is longer than {}",
                       counted(static_cast<std::int64_t>(limits_.header_bytes), "byte")),
           ignored);
  } else if (error == beast_http::error::body_limit) {
    refuse(413,
           fmt::format("the request's body is longer than {}",
                       counted(static_cast<std::int64_t>(limits_.body_bytes), "byte")),
           ignored);
  } else if (error == beast_http::error::bad_version) {
    refuse(505, "HTTP/1.1 and HTTP/1.0 are spoken here", ignored);
  } else {
    refuse(400, fmt::format("the request is not valid HTTP: {}", error.message()), ignored);
  }
}

void RequestParser::on_request_impl(beast_http::verb, View method, View target, int version, Code& error) {
  request_.method = view(method);
  form_ = {.is_head = view(method) == "HEAD", .is_http_1_0 = version == 10};
  const std::string_view whole = view(target);
  if (!whole.starts_with('/')) {
    return refuse(400, fmt::format("\"{}\" is not a path, which begins with '/'", printable(std::string(whole))),
                  error);
  }
  const std::size_t mark = std::min(whole.find('?'), whole.size());
  std::optional<std::string> path = percent_decoded(whole.substr(0, mark));
  if (!path) return refuse(400, "the path has a '%' that no two hexadecimal digits of a byte follow", error);
  request_.path = std::move(*path);
  request_.query = whole.substr(std::min(mark + 1, whole.size()));
}

void RequestParser::on_field_impl(Field field, View name, View value, Code& error) {
  if (is_header_done()) return;  // a trailer: nothing asks for one
  if (field == Field::host && ++hosts_ > 1) return refuse(400, "the request has two headers Host", error);
  if (field == Field::transfer_encoding) {
    if (form_.is_http_1_0) return refuse(400, "HTTP/1.0 has no Transfer-Encoding", error);
    if (!equal_but_for_case(view(value), "chunked"))
      return refuse(501, "of transfer encodings, only chunked is known here", error);
  }
  if (field == Field::expect) {
    if (!equal_but_for_case(view(value), "100-continue"))
      return refuse(417, "only 100-continue can be expected", error);
    expects_continue_ = true;
  }
  request_.headers.emplace_back(in_lower_case(view(name)), view(value));
}

void RequestParser::on_header_impl(Code& error) {
  if (hosts_ == 0 && !form_.is_http_1_0) refuse(400, "HTTP/1.1 wants a header Host", error);
}

std::size_t RequestParser::on_body_impl(View body, Code&) {
  request_.body.append(body.data(), body.size());
  return body.size();
}

std::size_t RequestParser::on_chunk_body_impl(std::uint64_t, View body, Code&) {
  request_.body.append(body.data(), body.size());
  return body.size();
}

ReplyForm RequestParser::form() const {
  ReplyForm form = form_;
  form.keeps_alive = keep_alive();
  return form;
}

}  // namespace kiln
