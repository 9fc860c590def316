// Servers for tests, on a free port of 127.0.0.1, and a handler that leaves each request to the test.
#pragma once

#include "kiln/serve/http_server.h"

#include <chrono>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <utility>

namespace kiln::testing {

inline HttpOptions test_options(const HttpLimits& limits = {}) {
  return {.host = "127.0.0.1", .port = 0, .limits = limits};
}

/// A request, and where its reply goes.
struct Visit {
  HttpRequest request;
  std::shared_ptr<HttpResponse> response;
};

/// Keeps requests until the test takes them.
class Mailbox {
 public:
  HttpHandler handler() {
    return [this](HttpRequest request, std::shared_ptr<HttpResponse> response) {
      const std::lock_guard lock(mutex_);
      visits_.push_back({std::move(request), std::move(response)});
      arrived_.notify_all();
    };
  }

  /// Returns the next request. Throws std::runtime_error if five seconds pass without one.
  Visit next() {
    std::unique_lock lock(mutex_);
    if (!arrived_.wait_for(lock, std::chrono::seconds(5), [this] { return !visits_.empty(); }))
      throw std::runtime_error("no request has arrived");
    Visit visit = std::move(visits_.front());
    visits_.pop_front();
    return visit;
  }

  std::size_t size() {
    const std::lock_guard lock(mutex_);
    return visits_.size();
  }

 private:
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::deque<Visit> visits_;
};

/// Answers with the method, the path, the query and the body.
inline void echo(const HttpRequest& request, const std::shared_ptr<HttpResponse>& response) {
  response->send({.content_type = "text/plain",
                  .body = request.method + " " + request.path + " " + request.query + " " + request.body});
}

}  // namespace kiln::testing
