// Clients that vanish, do not read, or are still served when the server stops.
#include "kiln/serve/http_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "serve/http_client.h"
#include "serve/http_fixture.h"
#include "support/wait.h"
#include <array>
#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace kiln {
namespace {

using std::chrono::milliseconds;
using testing::ClientReply;
using testing::HttpClient;
using testing::Mailbox;
using testing::request_text;
using testing::test_options;
using testing::Visit;
using testing::wait_until;
using Clock = std::chrono::steady_clock;

constexpr milliseconds kShort{20};  // for what must not happen

/// How a client goes.
enum class Going { fin, rst, half };

void go(HttpClient& client, Going going) {
  if (going == Going::fin) client.close();
  if (going == Going::rst) client.reset();
  if (going == Going::half) client.shutdown_send();
}

class HttpGoing : public ::testing::TestWithParam<Going> {};

INSTANTIATE_TEST_SUITE_P(Ways, HttpGoing, ::testing::Values(Going::fin, Going::rst, Going::half));

TEST_P(HttpGoing, IsNoticedWhileAReplyIsAwaited) {
  Mailbox mailbox;
  const HttpServer server(test_options(), mailbox.handler());
  HttpClient client(server.port());
  client.send(request_text("GET", "/"));
  const Visit visit = mailbox.next();
  std::atomic<int> gone = 0;
  visit.response->on_gone([&] { ++gone; });
  std::this_thread::sleep_for(kShort);
  EXPECT_EQ(gone, 0);
  const auto begin = Clock::now();
  go(client, GetParam());
  EXPECT_TRUE(wait_until([&] { return gone == 1; }));
  EXPECT_LT(Clock::now() - begin, std::chrono::seconds(1));
  EXPECT_TRUE(wait_until([&] { return server.connections() == 0; }));
  visit.response->send({.body = "nobody reads this"});
  EXPECT_EQ(gone, 1);
}

TEST_P(HttpGoing, IsNoticedDuringAStreamThatPauses) {
  Mailbox mailbox;
  const HttpServer server(test_options(), mailbox.handler());
  HttpClient client(server.port());
  client.send(request_text("GET", "/"));
  const Visit visit = mailbox.next();
  std::atomic<int> gone = 0;
  visit.response->on_gone([&] { ++gone; });
  visit.response->begin({.body = "some"});
  client.read_head();
  EXPECT_EQ(client.read_chunk(), "some");
  go(client, GetParam());
  EXPECT_TRUE(wait_until([&] { return gone == 1; }));
  visit.response->write("more");
  visit.response->end();
  EXPECT_EQ(gone, 1);
}

TEST_P(HttpGoing, IsNoticedBehindPipelinedRequests) {
  Mailbox mailbox;
  const HttpServer server(test_options(), mailbox.handler());
  HttpClient client(server.port());
  client.send(request_text("GET", "/1"));
  const Visit visit = mailbox.next();
  std::atomic<int> gone = 0;
  visit.response->on_gone([&] { ++gone; });
  client.send(request_text("GET", "/2"));
  std::this_thread::sleep_for(kShort);
  EXPECT_EQ(gone, 0);
  EXPECT_EQ(mailbox.size(), 0u);
  go(client, GetParam());
  EXPECT_TRUE(wait_until([&] { return gone == 1; }));
  EXPECT_EQ(mailbox.size(), 0u);
}

TEST(HttpClients, AResetIsNoticedBehindMoreThanIsReadAhead) {
  Mailbox mailbox;
  const HttpServer server(test_options(), mailbox.handler());
  HttpClient client(server.port());
  client.send(request_text("GET", "/1"));
  const Visit visit = mailbox.next();
  std::atomic<int> gone = 0;
  visit.response->on_gone([&] { ++gone; });
  client.send(request_text("POST", "/2", std::string(1'000'000, 'x')));
  std::this_thread::sleep_for(kShort);
  EXPECT_EQ(gone, 0);
  client.reset();
  EXPECT_TRUE(wait_until([&] { return gone == 1; }));
}

TEST(HttpClients, ALongPipelinedRequestIsKeptForLater) {
  Mailbox mailbox;
  const HttpServer server(test_options(), mailbox.handler());
  HttpClient client(server.port());
  const std::string body(1'000'000, 'x');
  client.send(request_text("GET", "/1"));
  const Visit first = mailbox.next();
  client.send(request_text("POST", "/2", body));
  std::this_thread::sleep_for(kShort);
  first.response->send({.body = "one"});
  EXPECT_EQ(client.read_reply().body, "one");
  const Visit second = mailbox.next();
  EXPECT_EQ(second.request.body.size(), body.size());
  second.response->send({.body = "two"});
  EXPECT_EQ(client.read_reply().body, "two");
}

TEST(HttpClients, OnGoneIsNotCalledOnceAReplyHasEnded) {
  Mailbox mailbox;
  const HttpServer server(test_options(), mailbox.handler());
  std::atomic<int> gone = 0;
  for (const bool streams : {false, true}) {
    HttpClient client(server.port());
    client.send(request_text("GET", "/"));
    Visit visit = mailbox.next();
    const auto alive = std::make_shared<int>();
    visit.response->on_gone([&gone, alive] { ++gone; });
    if (streams) visit.response->begin({});
    if (streams) visit.response->end();
    if (!streams) visit.response->send({});
    EXPECT_EQ(alive.use_count(), 1) << "what the callback holds is given back";
    EXPECT_EQ(client.read_reply().status, 200);
    visit.response->on_gone([&gone] { ++gone; });
    client.close();
    EXPECT_TRUE(wait_until([&] { return server.connections() == 0; }));
  }
  EXPECT_EQ(gone, 0);
}

TEST(HttpClients, OnGoneMayUseTheResponse) {
  Mailbox mailbox;
  const HttpServer server(test_options(), mailbox.handler());
  HttpClient client(server.port());
  client.send(request_text("GET", "/"));
  Visit visit = mailbox.next();
  std::atomic<bool> done = false;
  HttpResponse* const response = visit.response.get();
  response->on_gone([&] {
    response->begin({});
    response->write("x");
    response->end();
    response->on_gone([] {});
    done = true;
    throw 1;  // nobody to tell
  });
  client.close();
  EXPECT_TRUE(wait_until([&] { return done.load(); }));
  EXPECT_TRUE(wait_until([&] { return server.connections() == 0; }));
}

/// Streams to a client that does not read, until it is cut off.
void stream_without_end(HttpResponse& response, const std::atomic<int>& gone, milliseconds pause) {
  const std::string piece(10'000, 'x');
  response.begin({});
  ASSERT_TRUE(wait_until([&] {
    response.write(piece);
    std::this_thread::sleep_for(pause);
    return gone > 0;
  }));
}

TEST(HttpClients, ASlowReaderIsCutOffByUnsentBytes) {
  Mailbox mailbox;
  const HttpServer server(test_options({.unsent_bytes = 100'000}), mailbox.handler());
  HttpClient client(server.port(), {.receive_buffer = 4096});
  client.send(request_text("GET", "/"));
  const Visit visit = mailbox.next();
  std::atomic<int> gone = 0;
  visit.response->on_gone([&] { ++gone; });
  stream_without_end(*visit.response, gone, milliseconds(0));
  EXPECT_TRUE(wait_until([&] { return server.connections() == 0; }));
  client.read_to_end();
  EXPECT_TRUE(client.was_reset()) << "an end in order would look like the stream's";
  EXPECT_EQ(gone, 1);
}

TEST(HttpClients, ASlowReaderIsCutOffByTime) {
  Mailbox mailbox;
  const HttpServer server(test_options({.unsent_bytes = 1 << 30, .write_time = milliseconds(100)}), mailbox.handler());
  HttpClient streams(server.port(), {.receive_buffer = 4096}), waits(server.port(), {.receive_buffer = 4096});
  streams.send(request_text("GET", "/"));
  std::atomic<int> gone = 0;
  const Visit visit = mailbox.next();
  visit.response->on_gone([&] { ++gone; });
  stream_without_end(*visit.response, gone, milliseconds(0));
  waits.send(request_text("GET", "/"));
  mailbox.next().response->send({.body = std::string(std::size_t{20} << 20, 'x')});
  EXPECT_TRUE(wait_until([&] { return server.connections() == 0; }));
  EXPECT_EQ(gone, 1);
}

TEST(HttpClients, AReaderThatIsSlowButReadsIsServedToTheEnd) {
  Mailbox mailbox;
  const HttpServer server(test_options({.write_time = milliseconds(150)}), mailbox.handler());
  HttpClient client(server.port(), {.receive_buffer = 65536});
  client.send(request_text("GET", "/"));
  const std::size_t size = std::size_t{8} << 20;
  mailbox.next().response->send({.body = std::string(size, 'x')});
  client.read_head();
  std::size_t count = 0;
  for (const auto begin = Clock::now(); Clock::now() - begin < milliseconds(600);) {
    count += client.read_some(32768).size();  // so little that the server's socket long stays full
    std::this_thread::sleep_for(milliseconds(10));
  }
  for (std::size_t got = 1; got > 0 && count < size; count += got) got = client.read_some(size - count).size();
  EXPECT_EQ(count, size);
}

TEST(HttpStop, ClosesIdleConnectionsAndRefusesNewOnes) {
  Mailbox mailbox;
  HttpServer server(test_options(), mailbox.handler());
  HttpClient idle(server.port()), midway(server.port());
  midway.send("GET / HTTP/1.1\r\nHo");
  EXPECT_TRUE(wait_until([&] { return server.connections() == 2; }));
  const auto begin = Clock::now();
  EXPECT_EQ(server.stop(std::chrono::seconds(5)), 0u);
  EXPECT_LT(Clock::now() - begin, std::chrono::seconds(1));
  EXPECT_EQ(idle.read_to_end() + midway.read_to_end(), "");
  EXPECT_THROW(HttpClient{server.port()}, std::runtime_error);
  EXPECT_EQ(server.stop(std::chrono::seconds(5)), 0u) << "a second time";
  EXPECT_EQ(server.connections(), 0u);
}

TEST(HttpStop, WaitsForRepliesInProgress) {
  Mailbox mailbox;
  HttpServer server(test_options(), mailbox.handler());
  HttpClient waits(server.port()), streams(server.port());
  waits.send(request_text("GET", "/waits"));
  const Visit first = mailbox.next();
  streams.send(request_text("GET", "/streams") + request_text("GET", "/pipelined"));
  const Visit second = mailbox.next();
  second.response->begin({.body = "one"});
  std::size_t cut_off = 99;
  std::thread stopper([&] { cut_off = server.stop(std::chrono::seconds(5)); });
  EXPECT_TRUE(wait_until([&] {  // until nothing listens
    try {
      HttpClient probe(server.port());
    } catch (const std::runtime_error&) {
      return true;
    }
    return false;
  }));
  std::this_thread::sleep_for(kShort);
  first.response->send({.body = "late"});
  second.response->write("two");
  second.response->end();
  const ClientReply reply = waits.read_reply();
  EXPECT_EQ(reply.body, "late");
  EXPECT_EQ(reply.header("connection"), "close");
  EXPECT_EQ(streams.read_reply().body, "onetwo");
  EXPECT_EQ(streams.read_to_end(), "");
  EXPECT_FALSE(waits.was_reset() || streams.was_reset());
  streams.close();
  stopper.join();
  EXPECT_EQ(cut_off, 0u);
  EXPECT_EQ(mailbox.size(), 0u) << "no request is begun any more";
}

TEST(HttpStop, ClosesRepliesThatTakeLongerAndCountsThem) {
  Mailbox mailbox;
  HttpServer server(test_options(), mailbox.handler());
  HttpClient a(server.port()), b(server.port()), idle(server.port());
  std::atomic<int> gone = 0;
  std::vector<Visit> visits;
  for (HttpClient* client : {&a, &b}) {
    client->send(request_text("GET", "/"));
    visits.push_back(mailbox.next());
    visits.back().response->on_gone([&] { ++gone; });
  }
  const auto begin = Clock::now();
  EXPECT_EQ(server.stop(milliseconds(50)), 2u);
  EXPECT_GE(Clock::now() - begin, milliseconds(49));
  EXPECT_LT(Clock::now() - begin, std::chrono::seconds(2));
  EXPECT_EQ(gone, 2);
  EXPECT_EQ(a.read_to_end() + b.read_to_end() + idle.read_to_end(), "");
}

TEST(HttpStop, ManyClientsComeAndGoWhileItStops) {
  for (int round = 0; round < 10; ++round) {
    auto server = std::make_unique<HttpServer>(test_options(), [](const HttpRequest&, const auto& response) {
      response->begin({});
      response->write("x");
      response->end();
    });
    const std::uint16_t port = server->port();
    std::atomic<bool> ends = false;
    std::vector<std::thread> clients;
    for (int i = 0; i < 3; ++i) {
      clients.emplace_back([&] {
        while (!ends) {
          try {
            HttpClient client(port);
            for (int k = 0; k < 3; ++k) EXPECT_EQ(client.ask("GET", "/").body, "x");
          } catch (const std::runtime_error&) {  // the server has stopped
          }
        }
      });
    }
    std::this_thread::sleep_for(milliseconds(10));
    server->stop(milliseconds(round % 2 * 50));
    server.reset();
    ends = true;
    for (std::thread& client : clients) client.join();
  }
}

TEST(HttpClients, RepliesFromManyThreadsReachTheirClients) {
  Mailbox mailbox;
  const HttpServer server(test_options(), mailbox.handler());
  constexpr int kStreams = 32, kPieces = 200;
  std::vector<std::unique_ptr<HttpClient>> clients;
  std::vector<Visit> visits;
  for (int i = 0; i < kStreams; ++i) {
    clients.push_back(std::make_unique<HttpClient>(server.port()));
    clients.back()->send(request_text("GET", "/" + std::to_string(i)));
    visits.push_back(mailbox.next());
    visits.back().response->begin({});
  }
  std::vector<std::thread> writers;
  for (int t = 0; t < 4; ++t) {
    writers.emplace_back([&, t] {
      for (int k = 0; k < kPieces; ++k) {
        for (int i = t; i < kStreams; i += 4)
          visits[static_cast<std::size_t>(i)].response->write(std::to_string(i) + ",");
      }
      for (int i = t; i < kStreams; i += 4) visits[static_cast<std::size_t>(i)].response->end();
    });
  }
  for (int i = 0; i < kStreams; ++i) {
    std::string expected;
    for (int k = 0; k < kPieces; ++k) expected += std::to_string(i) + ",";
    EXPECT_EQ(clients[static_cast<std::size_t>(i)]->read_reply().body, expected);
  }
  for (std::thread& writer : writers) writer.join();
}

}  // namespace
}  // namespace kiln
