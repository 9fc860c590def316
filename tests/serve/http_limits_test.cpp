// What a client may not do: long headers and bodies, trickles, too many connections, and requests that are not HTTP.
#include "kiln/serve/http_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "serve/http_client.h"
#include "serve/http_fixture.h"
#include "support/sanitized.h"
#include "support/wait.h"
#include <chrono>
#include <string>
#include <sys/resource.h>
#include <thread>
#include <vector>

namespace kiln {
namespace {

using std::chrono::milliseconds;
using testing::ClientReply;
using testing::echo;
using ::testing::HasSubstr;
using testing::HttpClient;
using testing::Mailbox;
using testing::request_text;
using testing::test_options;
using testing::wait_until;
using Clock = std::chrono::steady_clock;

/// Expects an error as JSON of this status, and then the end of the connection.
void expect_refusal(HttpClient& client, int status, std::string_view part, std::string_view what = "") {
  const ClientReply reply = client.read_reply();
  EXPECT_EQ(reply.status, status) << what;
  EXPECT_EQ(reply.header("content-type"), "application/json") << what;
  EXPECT_EQ(reply.header("connection"), "close") << what;
  const nlohmann::json error = nlohmann::json::parse(reply.body).at("error");
  EXPECT_THAT(error.at("message").get<std::string>(), HasSubstr(std::string(part))) << what;
  EXPECT_TRUE(error.at("type").is_string()) << what;
  EXPECT_EQ(client.read_to_end(), "") << what;
  EXPECT_FALSE(client.was_reset()) << what;
}

void expect_refusal(const HttpServer& server, const std::string& request, int status, std::string_view part) {
  HttpClient client(server.port());
  client.send(request);
  expect_refusal(client, status, part, request.substr(0, 80));
}

/// Returns the milliseconds that `call` takes.
template <class Call>
double time_of(Call&& call) {
  const auto begin = Clock::now();
  call();
  return std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
}

TEST(HttpLimits, RefusesWhatIsNotARequest) {
  const HttpServer server(test_options(), echo);
  const std::string host = "\r\nHost: a\r\n";
  expect_refusal(server, "hello\r\n\r\n", 400, "not valid HTTP");
  expect_refusal(server, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400, "not valid HTTP");  // TLS
  expect_refusal(server, "GET /a b HTTP/1.1" + host + "\r\n", 505, "HTTP/1.1");
  expect_refusal(server, "GET / HTTP/2.0" + host + "\r\n", 505, "HTTP/1.1 and HTTP/1.0");
  expect_refusal(server, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, "HTTP/1.1 and HTTP/1.0");
  expect_refusal(server, "GET /\r\n\r\n", 400, "");
  expect_refusal(server, "GET http://a/b HTTP/1.1" + host + "\r\n", 400, "\"http://a/b\" is not a path");
  expect_refusal(server, "OPTIONS * HTTP/1.1" + host + "\r\n", 400, "is not a path");
  expect_refusal(server, "CONNECT a:80 HTTP/1.1" + host + "\r\n", 400, "is not a path");
  expect_refusal(server, "GET /%4 HTTP/1.1" + host + "\r\n", 400, "'%'");
  expect_refusal(server, "GET /%00 HTTP/1.1" + host + "\r\n", 400, "'%'");
  expect_refusal(server, std::string("GET /\0 HTTP/1.1", 16) + host + "\r\n", 400, "not valid HTTP");
  expect_refusal(server, "GET / HTTP/1.1" + host + "no colon\r\n\r\n", 400, "not valid HTTP");
  expect_refusal(server, "GET / HTTP/1.1" + host + std::string("A: \0\r\n\r\n", 8), 400, "not valid HTTP");
  expect_refusal(server, "GET / HTTP/1.1" + host + "A : space before the colon\r\n\r\n", 400, "not valid HTTP");
  expect_refusal(server, "GET / HTTP/1.1\r\n\r\n", 400, "Host");
  expect_refusal(server, "GET / HTTP/1.1" + host + "Host: b\r\n\r\n", 400, "two headers Host");
}

TEST(HttpLimits, RefusesBodiesThatTwoServersCouldReadDifferently) {
  const HttpServer server(test_options(), echo);
  const std::string post = "POST / HTTP/1.1\r\nHost: a\r\n";
  expect_refusal(server, post + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, "");
  expect_refusal(server, post + "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n", 400, "");
  expect_refusal(server, post + "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", 400, "");
  expect_refusal(server, post + "Content-Length: -3\r\n\r\nabc", 400, "");
  expect_refusal(server, post + "Content-Length: 3x\r\n\r\nabc", 400, "");
  expect_refusal(server, post + "Content-Length: 99999999999999999999\r\n\r\nabc", 400, "");
  expect_refusal(server, post + "Transfer-Encoding: gzip\r\n\r\nabc", 501, "only chunked");
  expect_refusal(server, post + "Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n", 501, "only chunked");
  expect_refusal(server, post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, "");
  expect_refusal(server, "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, "HTTP/1.0 has no");
  const std::string chunked = post + "Transfer-Encoding: chunked\r\n\r\n";
  expect_refusal(server, chunked + "xyz\r\nabc\r\n0\r\n\r\n", 400, "chunk");
  expect_refusal(server, chunked + "3\r\nabcd\r\n0\r\n\r\n", 400, "chunk");
  expect_refusal(server, chunked + "3\nabc\r\n0\r\n\r\n", 400, "");
  expect_refusal(server, chunked + "ffffffffffffffffff\r\nabc", 400, "chunk");
  expect_refusal(server, chunked + "-1\r\nabc", 400, "chunk");
}

TEST(HttpLimits, RefusesALongHeader) {
  const HttpServer server(test_options({.header_bytes = 1000}), echo);
  const std::string fits = "GET / HTTP/1.1\r\nHost: a\r\nX: ";
  HttpClient client(server.port());
  client.send(fits + std::string(1000 - fits.size() - 4, 'x') + "\r\n\r\n");
  EXPECT_EQ(client.read_reply().status, 200);
  expect_refusal(server, fits + std::string(1001 - fits.size() - 4, 'x') + "\r\n\r\n", 431, "longer than 1,000 bytes");
  expect_refusal(server, "GET /" + std::string(2000, 'x'), 431, "longer than 1,000 bytes");
  expect_refusal(server, std::string(100'000, 'G'), 431, "longer than 1,000 bytes");
  HttpClient by_lines(server.port());
  by_lines.send("GET / HTTP/1.1\r\nHost: a\r\n");
  for (int i = 0; i < 100; ++i) {  // each line arrives, and is understood, on its own
    by_lines.send("X-Line: 0123456789\r\n");
    if (by_lines.is_readable_within(milliseconds(1))) break;
  }
  expect_refusal(by_lines, 431, "longer than 1,000 bytes");
}

TEST(HttpLimits, RefusesALongBodyBeforeItIsSent) {
  const HttpServer server(test_options({.body_bytes = 100}), echo);
  const std::string post = "POST / HTTP/1.1\r\nHost: a\r\n";
  HttpClient client(server.port());
  EXPECT_EQ(client.ask("POST", "/", std::string(100, 'x')).status, 200);
  expect_refusal(server, post + "Content-Length: 101\r\n\r\n", 413, "longer than 100 bytes");
  expect_refusal(server, post + "Expect: 100-continue\r\nContent-Length: 101\r\n\r\n", 413, "longer than 100 bytes");
}

TEST(HttpLimits, ALongBodyUnderWayDoesNotCostTheClientTheReply) {
  const HttpServer server(test_options({.body_bytes = 100}), echo);
  expect_refusal(server, request_text("POST", "/", std::string(3'000'000, 'x')), 413, "longer than 100 bytes");
}

TEST(HttpLimits, RefusesALongBodyInChunks) {
  const HttpServer server(test_options({.header_bytes = 1000, .body_bytes = 100}), echo);
  const std::string chunked = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
  expect_refusal(server, chunked + "65\r\nx", 413, "longer than 100 bytes");
  std::string many;
  for (int i = 0; i < 101; ++i) many += "1\r\nx\r\n";
  expect_refusal(server, chunked + many, 413, "longer than 100 bytes");
  expect_refusal(server, chunked + "1;" + std::string(2000, 'x'), 400, "does not end");
  expect_refusal(server, chunked + "0\r\n" + "X-Trailer: " + std::string(2000, 'x'), 400, "does not end");
}

TEST(HttpLimits, ATrickleOfAHeaderGainsNoTime) {
  const HttpServer server(test_options({.header_time = milliseconds(100)}), echo);
  HttpClient client(server.port());
  const double elapsed_ms = time_of([&] {
    for (const char byte : std::string("GET / HTTP/1.1\r\nHost: a\r\nX: ") + std::string(1000, 'x')) {
      client.send({&byte, 1});
      if (client.is_readable_within(milliseconds(5))) break;
    }
    expect_refusal(client, 408, "header did not come in time");
  });
  EXPECT_GE(elapsed_ms, 99);
  EXPECT_LT(elapsed_ms, 1000);
}

TEST(HttpLimits, ATrickleOfABodyGainsNoTime) {
  const HttpServer server(test_options({.body_time = milliseconds(100)}), echo);
  HttpClient client(server.port());
  client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n");
  const double elapsed_ms = time_of([&] {
    for (int i = 0; i < 1000 && !client.is_readable_within(milliseconds(5)); ++i) client.send("x");
    expect_refusal(client, 408, "body did not come in time");
  });
  EXPECT_GE(elapsed_ms, 95);
  EXPECT_LT(elapsed_ms, 1000);
}

TEST(HttpLimits, ARequestGetsItsTimeAnewOnOneConnection) {
  const HttpServer server(test_options({.header_time = milliseconds(150), .body_time = milliseconds(150)}), echo);
  HttpClient client(server.port());
  for (int i = 0; i < 3; ++i) {
    client.send("POST / HTTP/1.1\r\n");
    std::this_thread::sleep_for(milliseconds(70));
    client.send("Host: a\r\nContent-Length: 2\r\n\r\n1");
    std::this_thread::sleep_for(milliseconds(70));
    client.send("2");
    ASSERT_EQ(client.read_reply().status, 200);
  }
}

TEST(HttpLimits, ClosesIdleConnectionsSilently) {
  const HttpServer server(test_options({.idle_time = milliseconds(100)}), echo);
  HttpClient silent(server.port()), served(server.port());
  EXPECT_EQ(served.ask("GET", "/").status, 200);
  const double elapsed_ms = time_of([&] {
    EXPECT_EQ(silent.read_to_end(), "");
    EXPECT_EQ(served.read_to_end(), "");
  });
  EXPECT_GE(elapsed_ms, 90);
  EXPECT_LT(elapsed_ms, 1000);
  EXPECT_FALSE(silent.was_reset() || served.was_reset());
  EXPECT_TRUE(wait_until([&] { return server.connections() == 0; }));
}

TEST(HttpLimits, AReplyMayTakeLongerThanTheOtherTimes) {
  Mailbox mailbox;
  const milliseconds brief(30);
  const HttpServer server(
      test_options({.header_time = brief, .body_time = brief, .write_time = brief, .idle_time = brief}),
      mailbox.handler());
  HttpClient client(server.port());
  client.send(request_text("GET", "/"));
  const testing::Visit visit = mailbox.next();
  std::this_thread::sleep_for(milliseconds(80));
  visit.response->begin({.body = "some"});
  std::this_thread::sleep_for(milliseconds(80));
  visit.response->end();
  EXPECT_EQ(client.read_reply().body, "some");
}

TEST(HttpLimits, TurnsAwayConnectionsBeyondTheirNumber) {
  HttpLimits limits{.connections = 3};
  const HttpServer server(test_options(limits), echo);
  std::vector<std::unique_ptr<HttpClient>> clients;
  for (int i = 0; i < 3; ++i) {
    clients.push_back(std::make_unique<HttpClient>(server.port()));
    ASSERT_EQ(clients.back()->ask("GET", "/").status, 200);
  }
  HttpClient fourth(server.port());
  fourth.send(request_text("GET", "/"));
  expect_refusal(fourth, 503, "all 3 connections are in use");
  fourth.close();
  EXPECT_EQ(clients[0]->ask("GET", "/").status, 200) << "the others are served on";
  clients.pop_back();
  EXPECT_TRUE(wait_until([&] { return server.connections() < 3; }));
  HttpClient next(server.port());
  EXPECT_EQ(next.ask("GET", "/").status, 200);
}

TEST(HttpLimits, HoldsAThousandIdleConnections) {
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &files);
  if (files.rlim_cur < 2200) GTEST_SKIP() << "no more than " << files.rlim_cur << " files may be open";
  const HttpServer server(test_options(), echo);
  std::vector<std::unique_ptr<HttpClient>> clients;
  for (int i = 0; i < 1000; ++i) clients.push_back(std::make_unique<HttpClient>(server.port()));
  EXPECT_TRUE(wait_until([&] { return server.connections() == 1000; }));
  for (const auto& client : clients) ASSERT_EQ(client->ask("GET", "/").status, 200);
  EXPECT_EQ(server.connections(), 1000u);
  clients.clear();
  EXPECT_TRUE(wait_until([&] { return server.connections() == 0; }));
}

TEST(HttpLimits, GoesOnAfterTheProcessRanOutOfFiles) {
  const HttpServer server(test_options(), echo);
  HttpClient early(server.port());
  ASSERT_EQ(early.ask("GET", "/").status, 200);
  rlimit before{};
  ::getrlimit(RLIMIT_NOFILE, &before);
  std::vector<Descriptor> others;
  rlimit few = before;
  few.rlim_cur = 64;
  ::setrlimit(RLIMIT_NOFILE, &few);
  while (others.empty() || others.back().is_open()) others.emplace_back("/dev/null", O_RDONLY);
  others.pop_back();
  others.pop_back();  // one: for the client, so that the server has none
  HttpClient starved(server.port());
  EXPECT_FALSE(starved.is_readable_within(milliseconds(20)));
  EXPECT_EQ(early.ask("GET", "/").status, 200);
  others.clear();
  EXPECT_EQ(starved.ask("GET", "/").status, 200);
  ::setrlimit(RLIMIT_NOFILE, &before);
}

}  // namespace
}  // namespace kiln
