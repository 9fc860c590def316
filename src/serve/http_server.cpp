// Listens, accepts connections, and runs them on a few threads, by Boost.Asio.
#include "kiln/serve/http_server.h"

#include "kiln/core/error.h"

#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/system/system_error.hpp>

#include "serve/http_server_connection.h"
#include <algorithm>
#include <chrono>
#include <fcntl.h>
#include <memory>
#include <new>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace kiln {
namespace {

namespace asio = boost::asio;
using http::ErrorCode;
using http::Tcp;
using Acceptor = asio::basic_socket_acceptor<Tcp, http::Strand>;

constexpr std::chrono::milliseconds kAcceptPause{50};  // where the process has no more descriptors
constexpr int kAccepts = 64;                           // in a row
constexpr std::size_t kTurnedAway = 64;                // connections beyond the limit that are told so

/// Returns "127.0.0.1:8080" or "[::1]:8080".
std::string shown(const std::string& host, std::uint16_t port) {
  return host.find(':') == std::string::npos ? fmt::format("{}:{}", host, port) : fmt::format("[{}]:{}", host, port);
}

[[noreturn]] void fail_to_listen(const Tcp::endpoint& endpoint, const ErrorCode& error) {
  const std::string where = shown(endpoint.address().to_string(), endpoint.port());
  if (error == asio::error::address_in_use)
    fail(ExitCode::io, "{} is in use; choose another with --port, or 0 for any that is free", where);
  if (error == asio::error::access_denied)
    fail(ExitCode::io, "{} may not be opened: {}; choose a port above 1023 with --port", where, error.message());
  if (error == boost::system::errc::address_not_available)
    fail(ExitCode::io, "{}: this machine has no such address; choose another with --host", where);
  fail(ExitCode::io, "{} cannot be opened: {}", where, error.message());
}

/// Returns the addresses of a host, each once.
std::vector<Tcp::endpoint> resolve(asio::io_context& io, std::string host, std::uint16_t port) {
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  ErrorCode error;
  std::vector<Tcp::endpoint> endpoints;
  if (!host.empty()) {
    Tcp::resolver resolver(io);
    for (const auto& entry : resolver.resolve(host, std::to_string(port), error)) {
      if (std::find(endpoints.begin(), endpoints.end(), entry.endpoint()) == endpoints.end())
        endpoints.push_back(entry.endpoint());
    }
  }
  check(!endpoints.empty(), "host '{}' does not resolve to an address{}; give one, such as 127.0.0.1, with --host",
        host, error ? ": " + error.message() : "");
  return endpoints;
}

/// Keeps a socket out of programs that the process starts: they would hold its connection open.
void close_in_children(int socket) { ::fcntl(socket, F_SETFD, FD_CLOEXEC); }

}  // namespace

/// Accepts connections, all on one strand.
class HttpServer::Implementation {
 public:
  Implementation(const HttpOptions& options, HttpHandler handler)
      : set_(std::make_shared<http::ConnectionSet>(options.limits, std::move(handler))),
        work_(asio::make_work_guard(set_->io)),
        strand_(asio::make_strand(set_->io)),
        pause_(strand_) {
    listen(options);
    start_threads(options.threads);
  }
  ~Implementation() { stop(std::chrono::milliseconds(0)); }
  Implementation(const Implementation&) = delete;
  Implementation& operator=(const Implementation&) = delete;

  std::uint16_t port() const { return port_; }
  std::size_t connections() const { return set_->size(); }
  std::size_t stop(std::chrono::milliseconds limit);

 private:
  void listen(const HttpOptions& options);
  void start_threads(int count);
  void accept(Acceptor& acceptor);
  void pause(Acceptor& acceptor);
  ErrorCode take_connection(Acceptor& acceptor);

  const std::shared_ptr<http::ConnectionSet> set_;
  asio::executor_work_guard<asio::io_context::executor_type> work_;
  const http::Strand strand_;
  std::vector<Acceptor> acceptors_;
  http::Timer pause_;
  std::vector<std::thread> threads_;
  std::uint16_t port_ = 0;
};

/// Opens every address of the host, all on one port. Those that this machine lacks (IPv6, say) are left out if there is
/// another.
void HttpServer::Implementation::listen(const HttpOptions& options) {
  const std::vector<Tcp::endpoint> endpoints = resolve(set_->io, options.host, options.port);
  for (Tcp::endpoint endpoint : endpoints) {
    if (port_ != 0) endpoint.port(port_);
    Acceptor acceptor(strand_);
    ErrorCode error;
    acceptor.open(endpoint.protocol(), error);
    if (!error)
      acceptor.set_option(Acceptor::reuse_address(true), error);  // a restart need not wait for old connections
    if (!error) acceptor.bind(endpoint, error);
    if (!error) acceptor.listen(Acceptor::max_listen_connections, error);
    if (!error) acceptor.non_blocking(true, error);
    if (error) {
      const bool is_last = endpoint.address() == endpoints.back().address();
      const bool is_asked_for = error == asio::error::address_in_use && options.port != 0;
      if (is_asked_for || (acceptors_.empty() && is_last)) fail_to_listen(endpoint, error);
      continue;
    }
    close_in_children(acceptor.native_handle());
    port_ = acceptor.local_endpoint().port();
    acceptors_.push_back(std::move(acceptor));
  }
}

void HttpServer::Implementation::start_threads(int count) {
  check(count >= 1, "a server needs at least one thread, not {}", count);
  for (Acceptor& acceptor : acceptors_) accept(acceptor);
  try {
    for (int i = 0; i < count; ++i) {
      threads_.emplace_back([io = &set_->io] { io->run(); });
    }
  } catch (const std::system_error& error) {
    stop(std::chrono::milliseconds(0));
    fail(ExitCode::io, "a thread of the server cannot be started: {}", error.what());
  }
}

void HttpServer::Implementation::accept(Acceptor& acceptor) {
  acceptor.async_wait(Acceptor::wait_read, [this, &acceptor](const ErrorCode& error) {
    if (error || set_->is_stopping()) return;
    for (int i = 0; i < kAccepts; ++i) {
      const ErrorCode failure = take_connection(acceptor);
      if (!failure || failure == asio::error::connection_aborted) continue;
      if (failure == asio::error::would_block) break;
      return pause(acceptor);
    }
    accept(acceptor);
  });
}

/// Accepts again later: while there are no descriptors (or no memory), a connection that waits would be tried without
/// end.
void HttpServer::Implementation::pause(Acceptor& acceptor) {
  pause_.expires_after(kAcceptPause);
  pause_.async_wait([this, &acceptor](const ErrorCode&) {
    if (!set_->is_stopping()) accept(acceptor);
  });
}

/// Takes one connection. Returns why there is none.
ErrorCode HttpServer::Implementation::take_connection(Acceptor& acceptor) try {
  ErrorCode error;
  http::Socket socket = acceptor.accept(asio::make_strand(set_->io), error);
  if (error) return error;
  close_in_children(socket.native_handle());
  const auto connection = std::make_shared<http::Connection>(set_, std::move(socket));
  const std::size_t count = set_->add(connection);
  if (count == 0) return {};
  if (count <= set_->limits.connections) {
    connection->start();
  } else if (count <= set_->limits.connections + kTurnedAway) {
    connection->turn_away();
  } else {
    connection->abort();
  }
  return {};
} catch (const std::bad_alloc&) {
  return asio::error::no_memory;
}

std::size_t HttpServer::Implementation::stop(std::chrono::milliseconds limit) {
  asio::post(strand_, [this] {
    for (Acceptor& acceptor : acceptors_) {
      ErrorCode ignored;
      acceptor.close(ignored);
    }
    pause_.cancel();
  });
  for (const auto& connection : set_->stop()) connection->stop();
  std::size_t cut_off = 0;
  if (!threads_.empty() && !set_->wait_until_empty(limit)) {
    for (const auto& connection : set_->all()) {
      if (connection->is_replying()) ++cut_off;
      connection->abort();
    }
  }
  work_.reset();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
  set_->handler = nullptr;  // what it holds is not kept by a reply that is still about
  return cut_off;
}

HttpServer::HttpServer(const HttpOptions& options, HttpHandler handler) try
    : implementation_(std::make_unique<Implementation>(options, std::move(handler))) {
} catch (const boost::system::system_error& error) {  // such as no descriptors for its io_context
  fail(ExitCode::io, "the server cannot be started: {}", error.what());
}

HttpServer::~HttpServer() = default;

std::uint16_t HttpServer::port() const { return implementation_->port(); }

std::size_t HttpServer::connections() const { return implementation_->connections(); }

std::size_t HttpServer::stop(std::chrono::milliseconds limit) { return implementation_->stop(limit); }

}  // namespace kiln
