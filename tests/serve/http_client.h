// Talks to a server under test over a plain socket: raw bytes out, replies in, and never waits for ever.
#pragma once

#include "kiln/core/descriptor.h"

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <netinet/in.h>
#include <poll.h>
#include <stdexcept>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <sys/time.h>
#include <utility>
#include <vector>

namespace kiln::testing {

/// A reply as a client reads it.
struct ClientReply {
  int status = 0;
  std::string reason;
  std::vector<std::pair<std::string, std::string>> headers;  // names in lower case
  std::string body;                                          // of a stream: without the chunks' frames
  std::vector<std::string> chunks;

  /// Returns the value of a header, by its name in lower case; "" if there is none.
  std::string header(std::string_view name) const {
    for (const auto& [known, value] : headers) {
      if (known == name) return value;
    }
    return "";
  }
};

/// Returns a request with a body, if there is one, and its length.
inline std::string request_text(std::string_view method, std::string_view target, std::string_view body = "",
                                std::string_view more_headers = "") {
  std::string text = std::string(method) + " " + std::string(target) + " HTTP/1.1\r\nHost: localhost\r\n";
  text += more_headers;
  if (!body.empty()) {
    text += "Content-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) + "\r\n";
  }
  return text + "\r\n" + std::string(body);
}

/// A connection to 127.0.0.1 (or ::1). Everything that fails, or takes longer than `limit`, throws std::runtime_error.
class HttpClient {
 public:
  struct Options {
    int receive_buffer = 0;                 // bytes; 0: the system's choice
    std::chrono::milliseconds limit{5000};  // of each wait
    bool is_ipv6 = false;
  };

  explicit HttpClient(std::uint16_t port) : HttpClient(port, Options{}) {}
  HttpClient(std::uint16_t port, const Options& options)
      : socket_(Descriptor::adopt(::socket(options.is_ipv6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0))) {
    require(socket_.is_open(), "socket");
    if (options.receive_buffer > 0) {
      require(::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVBUF, &options.receive_buffer, sizeof(int)) == 0,
              "SO_RCVBUF");
    }
    const timeval limit{.tv_sec = options.limit.count() / 1000, .tv_usec = options.limit.count() % 1000 * 1000};
    require(::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == 0, "SO_RCVTIMEO");
    require(::setsockopt(socket_.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) == 0, "SO_SNDTIMEO");
    sockaddr_in6 six{};
    six.sin6_family = AF_INET6;
    six.sin6_addr = in6addr_loopback;
    six.sin6_port = htons(port);
    sockaddr_in four{};
    four.sin_family = AF_INET;
    four.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    four.sin_port = htons(port);
    const int result = options.is_ipv6
                           ? ::connect(socket_.get(), reinterpret_cast<const sockaddr*>(&six), sizeof six)
                           : ::connect(socket_.get(), reinterpret_cast<const sockaddr*>(&four), sizeof four);
    require(result == 0, "connect");
  }

  /// Sends bytes as they are.
  void send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent < 0 && errno == EINTR) continue;
      require(sent > 0, "send");
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
  }

  /// Reads the next reply to its end. `is_head`: it answers HEAD.
  ClientReply read_reply(bool is_head = false) {
    ClientReply reply = read_head();
    if (is_head || reply.status < 200 || reply.status == 204 || reply.status == 304) return reply;
    if (reply.header("transfer-encoding") == "chunked") {
      for (std::string chunk = read_chunk(); !chunk.empty(); chunk = read_chunk()) {
        reply.body += chunk;
        reply.chunks.push_back(std::move(chunk));
      }
    } else if (const std::string length = reply.header("content-length"); !length.empty()) {
      reply.body = read_bytes(std::stoul(length));
    } else {
      while (receive()) {
      }
      reply.body = std::exchange(received_, "");
    }
    return reply;
  }

  /// Reads the next reply's status line and headers.
  ClientReply read_head() {
    ClientReply reply;
    const std::string status = read_line();
    if (!status.starts_with("HTTP/1.") || status.size() < 12) throw std::runtime_error("not a status line: " + status);
    reply.status = std::stoi(status.substr(9, 3));
    reply.reason = status.substr(std::min<std::size_t>(13, status.size()));
    for (std::string line = read_line(); !line.empty(); line = read_line()) {
      const std::size_t colon = line.find(": ");
      if (colon == std::string::npos) throw std::runtime_error("not a header: " + line);
      std::string name = line.substr(0, colon);
      std::transform(name.begin(), name.end(), name.begin(),
                     [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
      reply.headers.emplace_back(std::move(name), line.substr(colon + 2));
    }
    return reply;
  }

  /// Reads one chunk of a stream's body; "" at its end.
  std::string read_chunk() {
    const std::size_t size = std::stoul(read_line(), nullptr, 16);
    std::string chunk = read_bytes(size);
    if (!read_line().empty()) throw std::runtime_error("a chunk is longer than it says");
    return chunk;
  }

  /// Sends a request and reads its reply.
  ClientReply ask(std::string_view method, std::string_view target, std::string_view body = "",
                  std::string_view more_headers = "") {
    send(request_text(method, target, body, more_headers));
    return read_reply(method == "HEAD");
  }

  /// Waits for the server to close the connection, and returns what it still sent.
  std::string read_to_end() {
    while (receive()) {
    }
    return std::exchange(received_, "");
  }

  /// Returns what is there of the bytes to come, at most `count`; "" at the connection's end.
  std::string read_some(std::size_t count) {
    if (received_.empty()) receive(count);
    std::string bytes = received_.substr(0, count);
    received_.erase(0, count);
    return bytes;
  }

  /// Returns whether the connection ended by a reset rather than in order.
  bool was_reset() const { return was_reset_; }

  /// Returns whether bytes (or the connection's end) arrive within this time.
  bool is_readable_within(std::chrono::milliseconds time) {
    if (!received_.empty()) return true;
    pollfd ready{.fd = socket_.get(), .events = POLLIN, .revents = 0};
    return ::poll(&ready, 1, static_cast<int>(time.count())) > 0;
  }

  /// Ends the client's half of the connection.
  void shutdown_send() { ::shutdown(socket_.get(), SHUT_WR); }
  /// Closes the connection by FIN.
  void close() { socket_.close(); }
  /// Closes the connection by RST, as a client that crashed does.
  void reset() {
    const linger now{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(socket_.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
    socket_.close();
  }

 private:
  static constexpr std::size_t kPiece = 65536;

  static void require(bool succeeded, const char* what) {
    if (!succeeded) throw std::runtime_error(std::string(what) + ": " + std::strerror(errno));
  }

  /// Returns false at the connection's end; a reset is one.
  bool receive(std::size_t most = kPiece) {
    std::array<char, kPiece> piece{};
    for (;;) {
      const ssize_t count = ::recv(socket_.get(), piece.data(), std::min(most, kPiece), 0);
      if (count < 0 && errno == EINTR) continue;
      was_reset_ = count < 0 && errno == ECONNRESET;
      require(count >= 0 || was_reset_, "recv");
      if (count <= 0) return false;
      received_.append(piece.data(), static_cast<std::size_t>(count));
      return true;
    }
  }

  std::string read_line() {
    std::size_t end = received_.find("\r\n");
    for (; end == std::string::npos; end = received_.find("\r\n")) {
      if (!receive()) throw std::runtime_error("the connection ended within a line: " + received_);
    }
    std::string line = received_.substr(0, end);
    received_.erase(0, end + 2);
    return line;
  }

  std::string read_bytes(std::size_t count) {
    while (received_.size() < count) {
      if (!receive()) throw std::runtime_error("the connection ended within a body");
    }
    std::string bytes = received_.substr(0, count);
    received_.erase(0, count);
    return bytes;
  }

  Descriptor socket_;
  std::string received_;
  bool was_reset_ = false;
};

}  // namespace kiln::testing
