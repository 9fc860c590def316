// Serves one connection: reads a request, has it answered, sends the reply, and reads the next.
#pragma once

#include "kiln/serve/http_server.h"

#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/strand.hpp>

#include "serve/http_exchange.h"
#include "serve/http_server_parser.h"
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

namespace kiln::http {

namespace asio = boost::asio;
using Tcp = asio::ip::tcp;
using Clock = std::chrono::steady_clock;
using Strand = asio::strand<asio::io_context::executor_type>;  // typed: a third of the allocations of any_io_executor
using Socket = asio::basic_stream_socket<Tcp, Strand>;
using Timer = asio::basic_waitable_timer<Clock, asio::wait_traits<Clock>, Strand>;
using ErrorCode = boost::system::error_code;

class Connection;

/// What the connections of a server share. It lives as long as the last of them.
class ConnectionSet {
 public:
  ConnectionSet(const HttpLimits& limits_in, HttpHandler handler_in)
      : limits(limits_in), handler(std::move(handler_in)) {}

  asio::io_context io;
  const HttpLimits limits;
  HttpHandler handler;

  /// Adds a connection and returns how many there are; returns 0 and adds none once the server stops.
  std::size_t add(const std::shared_ptr<Connection>& connection);
  void remove(const Connection* connection);
  std::size_t size() const;
  /// Lets no more be added. Returns those that there are.
  std::vector<std::shared_ptr<Connection>> stop();
  bool is_stopping() const { return is_stopping_; }
  /// Returns true once there are none; false where that takes longer.
  bool wait_until_empty(std::chrono::milliseconds limit);
  std::vector<std::shared_ptr<Connection>> all() const;

 private:
  mutable std::mutex mutex_;
  std::condition_variable emptied_;
  std::atomic<bool> is_stopping_ = false;
  std::unordered_map<const Connection*, std::shared_ptr<Connection>> connections_;  // each until it is closed
};

/// One connection. Everything but the public functions runs on its strand, so never on two threads at once. It never
/// waits in a read or a write: it waits until the socket is ready, so that an idle connection holds no buffer.
class Connection final : public Wakeable, public std::enable_shared_from_this<Connection> {
 public:
  Connection(std::shared_ptr<ConnectionSet> set, Socket socket);

  // From any thread.
  void start();
  /// Answers 503, whatever is asked.
  void turn_away();
  /// Closes the connection now, or after the reply in progress.
  void stop();
  void abort();
  bool is_replying() const { return is_replying_; }
  void wake() override;

 private:
  enum class State { reading, replying, lingering, closed };
  using Event = void (Connection::*)(const ErrorCode&);

  auto on(Event event);
  template <class Action>
  void post(Action action);
  void run();
  bool read_request();
  void send_continue();
  void dispatch();
  void refuse(HttpReply reply);
  bool write_reply();
  bool finish_reply();
  void linger();
  void close(bool resets);

  void on_readable(const ErrorCode& error);
  void on_writable(const ErrorCode& error);
  void on_failure(const ErrorCode& error);
  void on_timer(const ErrorCode& error);
  void on_deadline();
  bool receive();
  void discard();
  void watch();
  void wait_readable();
  void finish_by(Clock::duration time);
  void set_timer();
  std::size_t untaken_by_client();

  const std::shared_ptr<ConnectionSet> set_;  // first: the socket needs its io_context
  Socket socket_;
  Timer timer_;
  State state_ = State::reading;
  std::atomic<bool> is_replying_ = false;
  bool awaits_reading_ = false, awaits_writing_ = false, awaits_failure_ = false;
  bool is_in_body_ = false;                // of the request being read
  bool is_partly_read_ = false;            // its request never will be read to its end
  std::string inbox_;                      // received, but not yet parsed
  std::unique_ptr<RequestParser> parser_;  // from a request's first byte to its last
  std::shared_ptr<Exchange> exchange_;     // while replying
  std::string outbox_;                     // taken from the exchange
  std::size_t outbox_sent_ = 0;
  std::size_t untaken_ = 0;  // bytes that the client had not taken when it was last looked at
  Clock::time_point deadline_ = Clock::time_point::max();
  Clock::time_point timer_at_ = Clock::time_point::max();  // when the timer looks at the deadline
};

}  // namespace kiln::http
