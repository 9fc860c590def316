// Gathers a reply's bytes under a lock, so that pieces written while the socket is busy go out together.
#include "serve/http_exchange.h"

#include "kiln/serve/access.h"

#include <utility>

namespace kiln {
namespace {

class Response final : public HttpResponse {
 public:
  explicit Response(std::shared_ptr<Exchange> exchange) : exchange_(std::move(exchange)) {}
  ~Response() override {
    try {
      exchange_->fail("internal error: the request was dropped without a reply");
    } catch (...) {  // no memory for the message: the client waits, and goes
    }
  }
  Response(const Response&) = delete;
  Response& operator=(const Response&) = delete;

  void send(HttpReply reply) override { exchange_->send(reply); }
  void begin(HttpReply head) override { exchange_->begin(head); }
  void write(std::string piece) override { exchange_->write(piece); }
  void end() override { exchange_->end(); }
  void on_gone(std::function<void()> gone) override { exchange_->on_gone(std::move(gone)); }

 private:
  std::shared_ptr<Exchange> exchange_;
};

}  // namespace

std::shared_ptr<HttpResponse> response_to(std::shared_ptr<Exchange> exchange) {
  return std::make_shared<Response>(std::move(exchange));
}

// Callbacks are moved out of the lock before they are called or destroyed: they may call the response in turn.

void Exchange::send(const HttpReply& reply) {
  std::function<void()> unneeded;
  const std::lock_guard lock(mutex_);
  if (phase_ != Phase::waiting) return;
  phase_ = Phase::ended;
  unneeded.swap(gone_);
  if (is_lost_) return;
  pending_ = head_of(reply, form_, reply.body.size());
  if (has_body(reply.status, form_)) pending_ += reply.body;
  announce();
}

void Exchange::begin(const HttpReply& head) {
  const std::lock_guard lock(mutex_);
  if (phase_ != Phase::waiting) return;
  phase_ = Phase::streaming;
  has_body_ = has_body(head.status, form_);
  is_chunked_ = is_chunked(head.status, form_);
  if (form_.is_http_1_0 && has_body_) form_.keeps_alive = false;
  if (is_lost_) return;
  pending_ = head_of(head, form_, {});
  append(head.body);
  announce();
}

void Exchange::write(std::string_view piece) {
  const std::lock_guard lock(mutex_);
  if (phase_ != Phase::streaming || !has_body_ || is_lost_ || is_broken_) return;
  if (pending_.size() + unsent_ > unsent_limit_) {
    is_broken_ = true;
    wake();
    return;
  }
  append(piece);
  announce();
}

void Exchange::end() {
  std::function<void()> unneeded;
  const std::lock_guard lock(mutex_);
  if (phase_ != Phase::streaming) return;
  phase_ = Phase::ended;
  unneeded.swap(gone_);
  if (is_lost_) return;
  if (is_chunked_) pending_ += "0\r\n\r\n";
  announce();
}

void Exchange::on_gone(std::function<void()> gone) {
  {
    const std::lock_guard lock(mutex_);
    if (phase_ == Phase::ended) return;
    if (!is_lost_) {
      gone_.swap(gone);
      return;
    }
  }
  if (gone) gone();
}

void Exchange::fail(std::string_view message) {
  {
    std::function<void()> unneeded;
    const std::lock_guard lock(mutex_);
    if (phase_ == Phase::streaming) {  // no status can be sent any more; a missing end tells the client
      phase_ = Phase::ended;
      is_broken_ = true;
      unneeded.swap(gone_);
      wake();
    }
    if (phase_ == Phase::ended) return;
  }
  send(error_reply(500, message));
}

/// Adds a piece of the stream's body. The caller holds the lock.
void Exchange::append(std::string_view piece) {
  if (is_chunked_) {
    append_chunk(pending_, piece);
  } else if (has_body_) {
    pending_ += piece;
  }
}

/// Wakes the connection unless it looks again anyway. The caller holds the lock.
void Exchange::announce() {
  if (!std::exchange(is_awake_, true)) wake();
}

/// Wakes the connection. The caller holds the lock: once lose() has it, nothing is posted to a server that has ended.
void Exchange::wake() {
  if (is_lost_) return;
  if (const std::shared_ptr<Wakeable> connection = connection_.lock()) connection->wake();
}

Exchange::Next Exchange::take(std::string& bytes) {
  const std::lock_guard lock(mutex_);
  bytes.clear();
  if (is_broken_) return Next::broken;
  bytes.swap(pending_);
  unsent_ = bytes.size();
  is_awake_ = unsent_ > 0;
  if (is_awake_) return Next::bytes;
  return phase_ == Phase::ended ? Next::finished : Next::nothing_yet;
}

void Exchange::sent(std::size_t count) {
  const std::lock_guard lock(mutex_);
  unsent_ -= count;
}

bool Exchange::is_broken() const {
  const std::lock_guard lock(mutex_);
  return is_broken_;
}

void Exchange::lose() {
  std::function<void()> gone;
  {
    const std::lock_guard lock(mutex_);
    is_lost_ = true;
    pending_ = std::string();
    gone.swap(gone_);
  }
  if (gone) gone();
}

void Exchange::close_afterwards() {
  const std::lock_guard lock(mutex_);
  form_.keeps_alive = false;
}

bool Exchange::keeps_alive() const {
  const std::lock_guard lock(mutex_);
  return form_.keeps_alive;
}

}  // namespace kiln
