// Reads one request from the bytes of a connection, within limits.
#pragma once

#include "kiln/serve/http_server.h"

#include <boost/beast/http/basic_parser.hpp>

#include "serve/http_text.h"
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace kiln {

/// Parses a request as its bytes arrive. Beast's parser finds its parts and decodes chunks; what it lets pass but would
/// let two servers in a row read different requests (request smuggling) is refused here.
class RequestParser final : boost::beast::http::basic_parser<true> {
 public:
  explicit RequestParser(const HttpLimits& limits);

  /// Takes what it understands from the front of `input`: at most this request.
  void take(std::string& input);

  bool has_header() const { return is_header_done(); }
  bool is_whole() const { return is_done() && !refusal_; }
  /// Returns whether the client sends the body only once it is told to.
  bool awaits_continue() const { return has_header() && !is_done() && expects_continue_ && !form_.is_http_1_0; }
  /// Returns how the request is answered. Requires has_header().
  ReplyForm form() const;
  /// Returns the reply to a request that cannot be read, once that is known. No more bytes may be taken then.
  const std::optional<HttpReply>& refusal() const { return refusal_; }
  /// Returns the request. Requires is_whole(); can be called once.
  HttpRequest release() { return std::move(request_); }

 private:
  using Code = boost::beast::error_code;
  using View = boost::beast::string_view;
  using Field = boost::beast::http::field;

  void on_request_impl(boost::beast::http::verb verb, View method, View target, int version, Code& error) override;
  void on_response_impl(int, View, int, Code&) override {}
  void on_field_impl(Field field, View name, View value, Code& error) override;
  void on_header_impl(Code& error) override;
  void on_body_init_impl(const boost::optional<std::uint64_t>&, Code&) override {}
  std::size_t on_body_impl(View body, Code& error) override;
  void on_chunk_header_impl(std::uint64_t, View, Code&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, View body, Code& error) override;
  void on_finish_impl(Code&) override {}

  void refuse(int status, std::string_view message, Code& error);
  void refuse_because(const Code& error);
  void check_length(std::size_t untaken);

  const HttpLimits& limits_;
  HttpRequest request_;
  ReplyForm form_;
  std::optional<HttpReply> refusal_;
  std::size_t header_bytes_ = 0;
  int hosts_ = 0;
  bool expects_continue_ = false;
};

}  // namespace kiln
