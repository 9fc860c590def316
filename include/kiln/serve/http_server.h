// Serves HTTP/1.1: reads requests within limits, hands them to a handler, and writes replies, whole or as a stream.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace kiln {

using HttpHeaders = std::vector<std::pair<std::string, std::string>>;  // name, value

struct HttpRequest {
  std::string method = {};   // such as "GET"
  std::string path = {};     // such as "/v1/models", percent-decoded, without the query
  std::string query = {};    // after the '?', as it was sent
  HttpHeaders headers = {};  // names in lower case
  std::string body = {};

  /// Returns the value of a header, by its name in lower case; "" if there is none.
  std::string_view header(std::string_view name) const;
};

struct HttpReply {
  int status = 200;
  std::string content_type = "application/json";
  std::string body = {};
  HttpHeaders headers = {};  // besides Content-Type, Content-Length, Date and Connection
};

/// Takes the reply to one request: either one call of `send`, or `begin`, any number of `write`, and `end`. Any thread
/// may call it, within the handler and after, even once the server is gone. Calls out of this order, or after the
/// client has gone, do nothing. Destroying it without a reply sends status 500; destroying it within a stream breaks
/// off the connection, so that the client does not take the part for the whole.
class HttpResponse {
 public:
  virtual ~HttpResponse() = default;

  /// Sends a whole reply.
  virtual void send(HttpReply reply) = 0;

  /// Begins a reply whose body comes in pieces (chunked transfer encoding); `head.body` is its first piece. A client of
  /// HTTP/1.0 gets the pieces alone, and then the connection's end.
  virtual void begin(HttpReply head) = 0;
  /// Sends a piece. Never waits: pieces that the client has not taken yet are kept, and go out together.
  virtual void write(std::string piece) = 0;
  virtual void end() = 0;

  /// Sets what is called, on any thread and at most once, when the client goes before the reply has ended, or takes it
  /// too slowly (HttpLimits::unsent_bytes, write_time), or stop() closes the connection. Called at once if that has
  /// happened already. A client that only ends its own half of the connection has gone, too: it cannot be told from one
  /// that has closed it. It should return soon: it holds up a thread of the server.
  virtual void on_gone(std::function<void()> gone) = 0;
};

/// Answers a request, now or later. May run on several threads at once, which are the server's: a handler that takes
/// long hands its work to others. If it throws, status 500 is sent, with the exception's message.
using HttpHandler = std::function<void(HttpRequest request, std::shared_ptr<HttpResponse> response)>;

/// What one client may take of the server. Replies beyond a limit are JSON objects {"error": {...}}: 431 for the
/// header, 413 for the body, 408 for the time, 503 for the connections. So are those to requests that are not valid
/// HTTP/1.1: 400, 417, 501, 505. The connection is closed after any of them.
struct HttpLimits {
  std::size_t header_bytes = 16 << 10;
  std::size_t body_bytes = 8 << 20;
  std::size_t unsent_bytes = 8 << 20;  // of a stream that the client does not read; then the connection is closed
  std::size_t connections = 2000;      // at a time
  std::chrono::milliseconds header_time{10'000};  // from a request's first byte to the end of its header
  std::chrono::milliseconds body_time{30'000};    // from there to the end of its body
  std::chrono::milliseconds write_time{30'000};   // without a byte taken by the client
  std::chrono::milliseconds idle_time{75'000};    // between requests
};

struct HttpOptions {
  std::string host = "127.0.0.1";  // an address, or a name that resolves to one
  std::uint16_t port = 8080;       // 0: any that is free
  int threads = 2;                 // that parse requests, run the handler, and write
  HttpLimits limits = {};
};

/// A running server. Errors of one connection end that connection alone. Requests on one connection are answered in
/// order, one at a time. An idle connection takes about 1 KB of memory, besides the system's.
class HttpServer {
 public:
  /// Listens and starts the threads. Throws Error (usage) for a host that does not resolve; (io) for a port that is in
  /// use or may not be opened, with the remedy.
  HttpServer(const HttpOptions& options, HttpHandler handler);
  /// Stops at once, as stop(0) does. Must not run within the handler or on_gone.
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  /// Returns the port that it listens on.
  std::uint16_t port() const;

  /// Returns the number of open connections.
  std::size_t connections() const;

  /// Accepts no more connections or requests, closes those without a reply, and waits for the replies in progress.
  /// Closes the connections that still have one after `limit`. Returns how many those were; 0 if it was called before.
  /// Waits for handlers to return, so it must not be called within one.
  std::size_t stop(std::chrono::milliseconds limit);

 private:
  class Implementation;
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace kiln
