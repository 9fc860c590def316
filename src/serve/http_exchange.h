// Carries one reply from the threads that write it to the connection that sends it.
#pragma once

#include "kiln/serve/http_server.h"

#include "serve/http_text.h"
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

namespace kiln {

/// What an exchange needs of its connection: to be told, from any thread, that there is something to do.
class Wakeable {
 public:
  virtual ~Wakeable() = default;
  virtual void wake() = 0;
};

/// One request's reply. Shared by the connection and the HttpResponse that the handler was given; either may outlive
/// the other, and the server too.
class Exchange {
 public:
  /// What a connection finds when it asks for bytes.
  enum class Next { bytes, nothing_yet, finished, broken };

  Exchange(const ReplyForm& form, std::weak_ptr<Wakeable> connection, std::size_t unsent_limit)
      : form_(form), connection_(std::move(connection)), unsent_limit_(unsent_limit) {}

  // For the handler, from any thread. Calls out of order do nothing.
  void send(const HttpReply& reply);
  void begin(const HttpReply& head);
  void write(std::string_view piece);
  void end();
  void on_gone(std::function<void()> gone);
  /// Sends status 500 with this message, or breaks off a stream that has begun. Does nothing once the reply has ended.
  void fail(std::string_view message);

  // For the connection.
  /// Replaces `bytes`, all of which are sent, by those to send next.
  Next take(std::string& bytes);
  /// Says that this many of the bytes taken were sent.
  void sent(std::size_t count);
  /// Returns whether the connection must be broken off: the client is too slow, or a stream was abandoned.
  bool is_broken() const;
  /// Says that the client has gone. Calls what on_gone has set, unless the reply has ended.
  void lose();
  /// Makes this the connection's last reply.
  void close_afterwards();
  bool keeps_alive() const;

 private:
  enum class Phase { waiting, streaming, ended };
  void append(std::string_view piece);
  void announce();
  void wake();

  mutable std::mutex mutex_;
  ReplyForm form_;
  const std::weak_ptr<Wakeable> connection_;
  const std::size_t unsent_limit_;
  Phase phase_ = Phase::waiting;
  bool has_body_ = true, is_chunked_ = false;  // of a stream
  bool is_lost_ = false, is_broken_ = false;
  bool is_awake_ = false;   // the connection will call take() without being woken
  std::string pending_;     // not yet taken
  std::size_t unsent_ = 0;  // taken, but not yet sent
  std::function<void()> gone_;
};

/// Returns what the handler is given. Destroying it without a reply sends status 500.
std::shared_ptr<HttpResponse> response_to(std::shared_ptr<Exchange> exchange);

}  // namespace kiln
