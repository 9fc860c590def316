// Runs a connection as a small state machine over a socket that never blocks.
#include "serve/http_server_connection.h"

#include "kiln/core/format.h"
#include "kiln/serve/access.h"

#include <boost/asio/post.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <exception>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <utility>
#ifdef __linux__
#include <linux/sockios.h>
#endif

namespace kiln::http {
namespace {

constexpr std::size_t kPieceBytes = std::size_t{32} << 10;   // of one read, on the stack
constexpr std::size_t kInboxBytes = std::size_t{256} << 10;  // read before they are parsed
constexpr std::size_t kAheadBytes = std::size_t{64} << 10;   // of requests to come, read while one is answered
constexpr int kDiscards = 16;                                // reads in a row whose bytes are thrown away
constexpr std::chrono::seconds kLingerTime{1};

/// Lets the kernel end a connection whose other side has vanished without a word, such as a machine without power:
/// after half a minute of silence it asks three times.
void watch_other_side(int socket) {
  [[maybe_unused]] constexpr int kOn = 1, kSilenceS = 30, kBetweenS = 5, kTimes = 3, kUnansweredMs = 45'000;
  const auto set = [socket](int level, int option, int value) {
    setsockopt(socket, level, option, &value, sizeof(value));  // without it, only the deadlines count
  };
  set(SOL_SOCKET, SO_KEEPALIVE, kOn);
#ifdef __linux__
  set(IPPROTO_TCP, TCP_KEEPIDLE, kSilenceS);
  set(IPPROTO_TCP, TCP_KEEPINTVL, kBetweenS);
  set(IPPROTO_TCP, TCP_KEEPCNT, kTimes);
  set(IPPROTO_TCP, TCP_USER_TIMEOUT, kUnansweredMs);
#endif
}

}  // namespace

std::size_t ConnectionSet::add(const std::shared_ptr<Connection>& connection) {
  const std::lock_guard lock(mutex_);
  if (is_stopping_) return 0;
  connections_.emplace(connection.get(), connection);
  return connections_.size();
}

void ConnectionSet::remove(const Connection* connection) {
  std::shared_ptr<Connection> last;  // destroyed after the lock
  const std::lock_guard lock(mutex_);
  const auto found = connections_.find(connection);
  if (found == connections_.end()) return;
  last = std::move(found->second);
  connections_.erase(found);
  if (connections_.empty()) emptied_.notify_all();
}

std::size_t ConnectionSet::size() const {
  const std::lock_guard lock(mutex_);
  return connections_.size();
}

std::vector<std::shared_ptr<Connection>> ConnectionSet::all() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::shared_ptr<Connection>> all;
  for (const auto& [key, connection] : connections_) all.push_back(connection);
  return all;
}

std::vector<std::shared_ptr<Connection>> ConnectionSet::stop() {
  {
    const std::lock_guard lock(mutex_);
    is_stopping_ = true;
  }
  return all();
}

bool ConnectionSet::wait_until_empty(std::chrono::milliseconds limit) {
  std::unique_lock lock(mutex_);
  return emptied_.wait_for(lock, limit, [this] { return connections_.empty(); });
}

Connection::Connection(std::shared_ptr<ConnectionSet> set, Socket socket)
    : set_(std::move(set)), socket_(std::move(socket)), timer_(socket_.get_executor()) {
  ErrorCode ignored;
  socket_.non_blocking(true, ignored);
  socket_.set_option(Tcp::no_delay(true), ignored);  // tokens go out as they come
  watch_other_side(socket_.native_handle());
}

/// Returns a handler for an asynchronous operation. An exception ends this connection alone.
auto Connection::on(Event event) {
  return [self = shared_from_this(), event](const ErrorCode& error) {
    if (self->state_ == State::closed) return;
    try {
      (self.get()->*event)(error);
    } catch (const std::exception&) {  // such as no memory
      self->close(true);
    }
  };
}

template <class Action>
void Connection::post(Action action) {
  asio::post(socket_.get_executor(), [self = shared_from_this(), action] {
    if (self->state_ == State::closed) return;
    try {
      action(*self);
    } catch (const std::exception&) {
      self->close(true);
    }
  });
}

void Connection::start() {
  post([](Connection& self) {
    self.finish_by(self.set_->limits.idle_time);
    self.run();
  });
}

void Connection::turn_away() {
  post([](Connection& self) {
    HttpReply reply =
        error_reply(503, fmt::format("all {} connections are in use; try again later",
                                     format_count(static_cast<std::int64_t>(self.set_->limits.connections))));
    reply.headers.emplace_back("Retry-After", "1");
    self.refuse(reply);
    self.run();
  });
}

void Connection::stop() {
  post([](Connection& self) {
    if (self.state_ == State::reading) self.close(false);
    if (self.exchange_) self.exchange_->close_afterwards();
  });
}

void Connection::abort() {
  post([](Connection& self) { self.close(self.state_ == State::replying); });
}

void Connection::wake() {
  post([](Connection& self) {
    if (self.state_ != State::replying) return;
    if (self.exchange_->is_broken()) return self.close(true);
    if (!self.awaits_writing_) self.run();
  });
}

/// Goes on until there is nothing to do but wait. A loop: requests in a row must not pile up calls.
void Connection::run() {
  bool goes_on = true;
  while (goes_on) {
    switch (state_) {
      case State::reading:
        goes_on = read_request();
        break;
      case State::replying:
        goes_on = write_reply();
        break;
      case State::lingering:
      case State::closed:
        goes_on = false;
        break;
    }
  }
}

/// Parses what has been received. Returns false where it waits for more, true where there is a reply to write.
bool Connection::read_request() {
  const bool is_new = !parser_;
  if (is_new) {
    inbox_.erase(0, std::min(inbox_.find_first_not_of("\r\n"), inbox_.size()));  // some clients end a body by a line
    if (inbox_.empty()) {
      inbox_ = std::string();  // gives its memory back
      wait_readable();
      return false;
    }
    parser_ = std::make_unique<RequestParser>(set_->limits);
    is_in_body_ = false;
  }
  parser_->take(inbox_);
  if (const std::optional<HttpReply>& refusal = parser_->refusal()) {
    refuse(*refusal);
  } else if (parser_->is_whole()) {
    dispatch();
  } else {
    if (is_new) finish_by(set_->limits.header_time);  // not for each byte that comes: that would let a trickle go on
    if (parser_->has_header() && !std::exchange(is_in_body_, true)) {
      finish_by(set_->limits.body_time);
      if (parser_->awaits_continue() && inbox_.empty()) send_continue();
    }
    wait_readable();
    return false;
  }
  return true;
}

void Connection::send_continue() {
  constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
  ErrorCode error;
  if (socket_.write_some(asio::buffer(kContinue.data(), kContinue.size()), error) != kContinue.size()) close(true);
}

/// Hands the request to the handler.
void Connection::dispatch() {
  if (set_->is_stopping()) return close(false);
  HttpRequest request = parser_->release();
  exchange_ = std::make_shared<Exchange>(parser_->form(), weak_from_this(), set_->limits.unsent_bytes);
  parser_.reset();
  deadline_ = Clock::time_point::max();
  state_ = State::replying;
  is_replying_ = true;
  const std::shared_ptr<HttpResponse> response = response_to(exchange_);  // outlives what the handler throws
  try {
    set_->handler(std::move(request), response);
  } catch (const std::exception& error) {
    exchange_->fail(fmt::format("internal error: {}", error.what()));
  } catch (...) {
    exchange_->fail("internal error");
  }
}

/// Answers a request that was not read to its end, and is the last for that reason. Takes a copy of the parser's reply,
/// since the parser goes.
void Connection::refuse(HttpReply reply) {  // NOLINT(performance-unnecessary-value-param)
  parser_.reset();
  is_partly_read_ = true;
  deadline_ = Clock::time_point::max();
  state_ = State::replying;
  exchange_ = std::make_shared<Exchange>(ReplyForm{}, weak_from_this(), set_->limits.unsent_bytes);
  exchange_->send(reply);
}

/// Sends what there is of the reply. Returns false where it waits: for the handler, or for the client.
bool Connection::write_reply() {
  for (;;) {
    if (outbox_sent_ == outbox_.size()) {
      outbox_sent_ = 0;
      switch (exchange_->take(outbox_)) {
        case Exchange::Next::bytes:
          break;
        case Exchange::Next::finished:
          return finish_reply();
        case Exchange::Next::broken:
          close(true);
          return false;
        case Exchange::Next::nothing_yet:
          deadline_ = Clock::time_point::max();
          watch();
          return false;
      }
    }
    ErrorCode error;
    const std::size_t sent =
        socket_.write_some(asio::buffer(outbox_.data() + outbox_sent_, outbox_.size() - outbox_sent_), error);
    if (error == asio::error::would_block) {
      awaits_writing_ = true;
      socket_.async_wait(Socket::wait_write, on(&Connection::on_writable));
      untaken_ = untaken_by_client();
      finish_by(set_->limits.write_time);
      watch();
      return false;
    }
    if (error) {
      close(true);
      return false;
    }
    outbox_sent_ += sent;
    exchange_->sent(sent);
  }
}

/// Returns true if the connection serves another request.
bool Connection::finish_reply() {
  const bool goes_on = exchange_->keeps_alive() && !set_->is_stopping();
  exchange_.reset();
  outbox_ = std::string();
  is_replying_ = false;
  if (goes_on) {
    state_ = State::reading;
    finish_by(set_->limits.idle_time);
    return true;
  }
  ErrorCode ignored;
  if (is_partly_read_ || !inbox_.empty() || socket_.available(ignored) > 0) {
    linger();
  } else {
    close(false);
  }
  return false;
}

/// Ends the connection, but reads on a while. Closing a socket with bytes that were not read resets the connection, and
/// the client would lose a reply that it has not read yet.
void Connection::linger() {
  state_ = State::lingering;
  inbox_ = std::string();
  ErrorCode ignored;
  socket_.shutdown(Socket::shutdown_send, ignored);
  finish_by(kLingerTime);
  discard();
}

void Connection::discard() {
  std::array<char, kPieceBytes> piece;  // NOLINT(cppcoreguidelines-pro-type-member-init): read into, never read
  for (int i = 0; i < kDiscards; ++i) {
    ErrorCode error;
    socket_.read_some(asio::buffer(piece), error);
    if (error == asio::error::would_block) break;
    if (error) return close(false);
  }
  wait_readable();
}

/// Closes the socket and forgets everything. `resets`: what is unsent is thrown away, and the client gets an error
/// instead of an end, so that it does not take a part of a reply for the whole.
void Connection::close(bool resets) {
  if (state_ == State::closed) return;
  state_ = State::closed;
  ErrorCode ignored;
  timer_.cancel();
  if (resets) socket_.set_option(asio::socket_base::linger(true, 0), ignored);
  socket_.close(ignored);
  parser_.reset();
  inbox_ = outbox_ = std::string();
  if (const std::shared_ptr<Exchange> exchange = std::move(exchange_)) {
    try {
      exchange->lose();
    } catch (...) {  // thrown by what on_gone has set: there is nobody left to tell
    }
  }
  set_->remove(this);
}

void Connection::on_readable(const ErrorCode&) {
  awaits_reading_ = false;
  if (state_ == State::lingering) return discard();
  if (!receive()) return;
  if (state_ == State::reading) return run();
  watch();
}

void Connection::on_writable(const ErrorCode&) {
  awaits_writing_ = false;
  run();
}

void Connection::on_failure(const ErrorCode&) { close(true); }

/// Moves bytes from the socket to the inbox. Returns false if the client has gone.
bool Connection::receive() {
  std::array<char, kPieceBytes> piece;  // NOLINT(cppcoreguidelines-pro-type-member-init): read into before it is read
  while (inbox_.size() < kInboxBytes) {
    ErrorCode error;
    const std::size_t count = socket_.read_some(asio::buffer(piece), error);
    if (error == asio::error::would_block) break;
    if (error) {
      close(state_ == State::replying);
      return false;
    }
    inbox_.append(piece.data(), count);
    if (count < piece.size()) break;
  }
  return true;
}

/// Waits, during a reply, for the client to go. What it sends meanwhile is kept for later; where that is much, it stays
/// in the socket, and only a reset is noticed.
void Connection::watch() {
  if (inbox_.size() < kAheadBytes) return wait_readable();
  if (std::exchange(awaits_failure_, true)) return;
  socket_.async_wait(Socket::wait_error, on(&Connection::on_failure));
}

void Connection::wait_readable() {
  if (std::exchange(awaits_reading_, true)) return;
  socket_.async_wait(Socket::wait_read, on(&Connection::on_readable));
}

/// Sets the deadline. A timer that runs already is left to look at it: most deadlines move on before they are reached.
void Connection::finish_by(Clock::duration time) {
  deadline_ = Clock::now() + time;
  if (deadline_ < timer_at_) set_timer();
}

void Connection::set_timer() {
  timer_at_ = deadline_;
  timer_.expires_at(timer_at_);
  timer_.async_wait(on(&Connection::on_timer));
}

void Connection::on_timer(const ErrorCode& error) {
  const Clock::time_point now = Clock::now();
  if (error || now < timer_at_) return;  // it was set again
  timer_at_ = Clock::time_point::max();
  if (deadline_ > now) {
    if (deadline_ < Clock::time_point::max()) set_timer();
    return;
  }
  deadline_ = Clock::time_point::max();
  on_deadline();
}

void Connection::on_deadline() {
  if (state_ == State::reading && parser_) {
    refuse(error_reply(408, parser_->has_header() ? "the request's body did not come in time"
                                                  : "the request's header did not come in time"));
    return run();
  }
  if (state_ == State::replying && awaits_writing_) {
    // A socket is not writable until much of its buffer is free, so a slow client may have taken bytes all the same.
    const std::size_t before = std::exchange(untaken_, untaken_by_client());
    if (untaken_ < before) return finish_by(set_->limits.write_time);
  }
  close(state_ == State::replying);
}

/// Returns how many bytes of those given to the system the client's system has not confirmed.
std::size_t Connection::untaken_by_client() {
  int count = 0;
#ifdef SIOCOUTQ
  if (::ioctl(socket_.native_handle(), SIOCOUTQ, &count) != 0) count = 0;
#endif
  return static_cast<std::size_t>(count);
}

}  // namespace kiln::http
