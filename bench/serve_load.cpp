// Loads kiln serve over loopback with clients that each wait for their answer before they ask again. Prints JSON: the
// tokens per second of all clients together, the times to the first token, and the CPU time that the clients took.
#include "kiln/core/descriptor.h"
#include "kiln/core/rng.h"
#include "kiln/core/stopwatch.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <cstdio>
#include <exception>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdexcept>
#include <string>
#include <sys/resource.h>
#include <sys/socket.h>
#include <vector>

namespace kiln {
namespace {

struct Load {
  std::uint16_t port = 8080;
  int clients = 1, requests = 4;  // of each client, besides a first one that is not counted
  int prompt_tokens = 32, tokens = 64;
  int ids = 256;  // prompts are drawn from the ids below this one
  bool stream = false;
};

/// A connection that sends the same kind of request again and again.
struct Client {
  Descriptor socket;
  std::string received;
  Stopwatch since_sent;
  bool has_first = false;
  int left = 0;
};

void require(bool succeeded, const char* what) {
  if (!succeeded) throw std::system_error(errno, std::generic_category(), what);
}

Descriptor connect_to(std::uint16_t port) {
  Descriptor socket = Descriptor::adopt(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  require(socket.is_open(), "socket");
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  require(::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0, "connect");
  const int on = 1;
  ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return socket;
}

void send_request(Client& client, const Load& load, Rng& rng) {
  nlohmann::json prompt = nlohmann::json::array();
  for (int i = 0; i < load.prompt_tokens; ++i) prompt.push_back(rng.below(static_cast<std::uint64_t>(load.ids)));
  const std::string body = nlohmann::json{
      {"prompt", {prompt}},
      {"max_tokens", load.tokens},
      {"ignore_eos", true},
      {"stream", load.stream}}.dump();
  const std::string text = fmt::format(
      "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: "
      "{}\r\n\r\n{}",
      body.size(), body);
  client.since_sent = Stopwatch();
  client.has_first = false;
  require(::send(client.socket.get(), text.data(), text.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(text.size()),
          "send");
}

/// Returns whether the whole reply has come: a stream's last chunk, or as many bytes as its header says.
bool is_whole(const std::string& received) {
  const std::size_t head = received.find("\r\n\r\n");
  if (head == std::string::npos) return false;
  if (!received.starts_with("HTTP/1.1 200")) throw std::runtime_error(received);
  const std::size_t length = received.find("Content-Length: ");
  if (length == std::string::npos || length > head) return received.ends_with("\r\n0\r\n\r\n");
  return received.size() == head + 4 + std::stoul(received.substr(length + 16));
}

double cpu_seconds() {
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
  };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

double percentile(std::vector<double> values, double share) {
  if (values.empty()) return 0;
  std::ranges::sort(values);
  return values[static_cast<std::size_t>(share * static_cast<double>(values.size() - 1))];
}

class LoadRun {
 public:
  explicit LoadRun(const Load& load) : load_(load), rng_(1, "load") {
    for (int i = 0; i < load.clients; ++i) {
      clients_.push_back({.socket = connect_to(load.port), .received = {}, .since_sent = {}, .left = 0});
    }
  }

  nlohmann::json run() {
    all_answer(1);  // the server's buffers have their sizes from here on
    first_seconds_.clear();
    const double cpu_before = cpu_seconds();
    const Stopwatch stopwatch;
    all_answer(load_.requests);
    const double seconds = stopwatch.seconds();
    const double drawn = static_cast<double>(load_.clients) * load_.requests * load_.tokens;
    return {{"clients", load_.clients},
            {"stream", load_.stream},
            {"tokens_per_second", drawn / seconds},
            {"first_token_p50_ms", 1e3 * percentile(first_seconds_, 0.5)},
            {"first_token_p95_ms", 1e3 * percentile(first_seconds_, 0.95)},
            {"seconds", seconds},
            {"client_cores", (cpu_seconds() - cpu_before) / seconds}};
  }

 private:
  void all_answer(int requests) {
    std::vector<pollfd> polled;
    int unfinished = 0;
    for (Client& client : clients_) {
      client.left = requests;
      unfinished += requests;
      send_request(client, load_, rng_);
      polled.push_back({.fd = client.socket.get(), .events = POLLIN, .revents = 0});
    }
    while (unfinished > 0) {
      require(::poll(polled.data(), polled.size(), 60'000) > 0, "no answer within a minute");
      for (std::size_t i = 0; i < polled.size(); ++i) {
        if (polled[i].revents != 0 && take(clients_[i])) --unfinished;
      }
    }
  }

  /// Reads what has come. Returns whether an answer is whole; then sends the next request.
  bool take(Client& client) {
    std::array<char, 65536> piece;
    const ssize_t count = ::recv(client.socket.get(), piece.data(), piece.size(), 0);
    require(count > 0, "recv");
    client.received.append(piece.data(), static_cast<std::size_t>(count));
    if (!client.has_first && client.received.find("data: ") != std::string::npos) {
      client.has_first = true;
      first_seconds_.push_back(client.since_sent.seconds());
    }
    if (!is_whole(client.received)) return false;
    client.received.clear();
    if (--client.left > 0) send_request(client, load_, rng_);
    return true;
  }

  Load load_;
  Rng rng_;
  std::vector<Client> clients_;
  std::vector<double> first_seconds_;  // of streams
};

int run(int argc, char** argv) {
  Load load;
  CLI::App app("Loads a running kiln serve; every client sends requests one after the other");
  app.add_option("--port", load.port);
  app.add_option("--clients", load.clients);
  app.add_option("--requests", load.requests, "of each client");
  app.add_option("--prompt-tokens", load.prompt_tokens);
  app.add_option("--tokens", load.tokens, "drawn for each request");
  app.add_option("--ids", load.ids, "prompts are drawn from the ids below this one");
  app.add_flag("--stream", load.stream);
  CLI11_PARSE(app, argc, argv);
  fmt::print("{}\n", LoadRun(load).run().dump());
  return 0;
}

}  // namespace
}  // namespace kiln

int main(int argc, char** argv) {
  try {
    return kiln::run(argc, argv);
  } catch (const std::exception& error) {
    fmt::print(stderr, "error: {}\n", error.what());
    return 1;
  }
}
