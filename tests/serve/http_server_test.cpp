// Requests and replies over real sockets: methods, versions, bodies, streams, and what a handler may do.
#include "kiln/serve/http_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "serve/http_client.h"
#include "serve/http_fixture.h"
#include "serve/http_text.h"
#include "support/error_parts.h"
#include <atomic>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace kiln {
namespace {

using testing::ClientReply;
using testing::echo;
using testing::expect_error_with;
using ::testing::HasSubstr;
using testing::HttpClient;
using testing::Mailbox;
using ::testing::MatchesRegex;
using testing::request_text;
using testing::test_options;
using testing::Visit;

using Response = std::shared_ptr<HttpResponse>;

std::string message_of(const ClientReply& reply) {
  return nlohmann::json::parse(reply.body).at("error").at("message").get<std::string>();
}

TEST(HttpServer, AnswersAndKeepsTheConnection) {
  const HttpServer server(test_options(), echo);
  HttpClient client(server.port());
  for (int i = 0; i < 3; ++i) {
    const ClientReply reply = client.ask("POST", "/v1/a%20b%2f?q=%41", "the body");
    EXPECT_EQ(reply.status, 200);
    EXPECT_EQ(reply.reason, "OK");
    EXPECT_EQ(reply.body, "POST /v1/a b/ q=%41 the body");
    EXPECT_EQ(reply.header("content-type"), "text/plain");
    EXPECT_EQ(reply.header("connection"), "");
    EXPECT_THAT(reply.header("date"), MatchesRegex("[A-Z][a-z][a-z], .. [A-Z].. 20.. ..:..:.. GMT"));
  }
  EXPECT_EQ(server.connections(), 1u);
}

TEST(HttpServer, GivesTheHandlerHeadersInLowerCase) {
  Mailbox mailbox;
  const HttpServer server(test_options(), mailbox.handler());
  HttpClient client(server.port());
  client.send("GET / HTTP/1.1\r\nhOST: Localhost\r\nX-Thing:   a b \t\r\nX-Thing: second\r\n\r\n");
  const Visit visit = mailbox.next();
  EXPECT_EQ(visit.request.header("host"), "Localhost");
  EXPECT_EQ(visit.request.header("x-thing"), "a b");
  EXPECT_EQ(visit.request.header("authorization"), "");
  visit.response->send({});
}

TEST(HttpServer, ClosesWhenTheClientAsksForIt) {
  const HttpServer server(test_options(), echo);
  HttpClient client(server.port());
  const ClientReply reply = client.ask("GET", "/", "", "Connection: close\r\n");
  EXPECT_EQ(reply.header("connection"), "close");
  EXPECT_EQ(client.read_to_end(), "");
  EXPECT_FALSE(client.was_reset());
}

TEST(HttpServer, AnswersHeadWithoutABody) {
  const HttpServer server(test_options(), echo);
  HttpClient client(server.port());
  const ClientReply reply = client.ask("HEAD", "/x");
  EXPECT_EQ(reply.header("content-length"), std::to_string(std::string("HEAD /x  ").size()));
  EXPECT_EQ(client.ask("GET", "/y").body, "GET /y  ");  // no byte of the other body precedes it
}

TEST(HttpServer, AnswersHeadOfAStreamWithoutABody) {
  const HttpServer server(test_options(), [](const HttpRequest&, const Response& response) {
    response->begin({.body = "one"});
    response->write("two");
    response->end();
  });
  HttpClient client(server.port());
  EXPECT_EQ(client.ask("HEAD", "/").header("transfer-encoding"), "chunked");
  EXPECT_EQ(client.ask("GET", "/").body, "onetwo");
}

TEST(HttpServer, Answers204WithoutBodyLengthOrType) {
  const HttpServer server(test_options(),
                          [](const HttpRequest&, const Response& response) { response->send({.status = 204}); });
  HttpClient client(server.port());
  for (int i = 0; i < 2; ++i) {
    const ClientReply reply = client.ask("GET", "/");
    EXPECT_EQ(reply.status, 204);
    EXPECT_EQ(reply.header("content-length") + reply.header("content-type"), "");
  }
}

TEST(HttpServer, SpeaksHttp10) {
  const HttpServer server(test_options(), echo);
  HttpClient once(server.port());
  once.send("GET /a HTTP/1.0\r\n\r\n");
  const ClientReply reply = once.read_reply();
  EXPECT_EQ(reply.body, "GET /a  ");
  EXPECT_EQ(reply.header("connection"), "close");
  EXPECT_EQ(once.read_to_end(), "");
  HttpClient twice(server.port());
  for (int i = 0; i < 2; ++i) {
    twice.send("GET /b HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    EXPECT_EQ(twice.read_reply().header("connection"), "keep-alive");
  }
}

TEST(HttpServer, StreamsToHttp10WithoutChunksAndCloses) {
  const HttpServer server(test_options(), [](const HttpRequest&, const Response& response) {
    response->begin({});
    response->write("one ");
    response->write("two");
    response->end();
  });
  HttpClient client(server.port());
  client.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  const ClientReply reply = client.read_reply();
  EXPECT_EQ(reply.header("transfer-encoding"), "");
  EXPECT_EQ(reply.body, "one two");
  EXPECT_FALSE(client.was_reset());
}

TEST(HttpServer, StreamsPieceByPiece) {
  Mailbox mailbox;
  const HttpServer server(test_options(), mailbox.handler());
  HttpClient client(server.port());
  client.send(request_text("GET", "/"));
  const Visit visit = mailbox.next();
  visit.response->begin({.content_type = "text/event-stream", .body = "first", .headers = {{"X-More", "1"}}});
  const ClientReply head = client.read_head();
  EXPECT_EQ(head.header("content-type"), "text/event-stream");
  EXPECT_EQ(head.header("x-more"), "1");
  EXPECT_EQ(client.read_chunk(), "first");
  visit.response->write("second");
  EXPECT_EQ(client.read_chunk(), "second");
  visit.response->write("");  // as a chunk it would end the stream
  visit.response->write("third");
  EXPECT_EQ(client.read_chunk(), "third");
  visit.response->end();
  EXPECT_EQ(client.read_chunk(), "");
  client.send(request_text("GET", "/again"));
  mailbox.next().response->send({.body = "served"});
  EXPECT_EQ(client.read_reply().body, "served");
}

TEST(HttpServer, StreamsManyPiecesFromAnotherThread) {
  std::vector<std::thread> threads;
  HttpServer server(test_options(), [&](const HttpRequest&, const Response& response) {
    threads.emplace_back([response] {
      response->begin({});
      for (int i = 0; i < 20000; ++i) response->write(std::to_string(i % 10));
      response->end();
    });
  });
  HttpClient client(server.port());
  const ClientReply reply = client.ask("GET", "/");
  EXPECT_EQ(reply.chunks.size(), 20000u);
  EXPECT_EQ(reply.body.substr(0, 12), "012345678901");
  server.stop(std::chrono::milliseconds(0));
  for (std::thread& thread : threads) thread.join();
}

TEST(HttpServer, SendsALargeReply) {
  std::string body(std::size_t{20} << 20, 'a');
  for (std::size_t i = 0; i < body.size(); i += 997) body[i] = static_cast<char>('b' + i % 13);
  const HttpServer server(test_options({.unsent_bytes = 1000}), [&](const HttpRequest&, const Response& response) {
    response->send({.body = body});  // the limit is of streams
  });
  HttpClient client(server.port());
  EXPECT_TRUE(client.ask("GET", "/").body == body);
}

TEST(HttpServer, TakesABodyInChunks) {
  const HttpServer server(test_options(), echo);
  HttpClient client(server.port());
  const std::string head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
  client.send(head + "3;name=value\r\nabc\r\nA\r\n0123456789\r\n0\r\nX-Trailer: no\r\n\r\n");
  EXPECT_EQ(client.read_reply().body, "POST /  abc0123456789");
  for (const char byte : head + "3\r\nabc\r\n0\r\n\r\n") client.send({&byte, 1});  // each in a packet of its own
  EXPECT_EQ(client.read_reply().body, "POST /  abc");
  client.send(head + "0\r\n");
  client.send("\r");
  EXPECT_FALSE(client.is_readable_within(std::chrono::milliseconds(20)));
  client.send("\n");
  EXPECT_EQ(client.read_reply().body, "POST /  ");
}

TEST(HttpServer, TellsAClientThatWaitsToGoOn) {
  const HttpServer server(test_options(), echo);
  HttpClient client(server.port());
  client.send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n");
  EXPECT_EQ(client.read_reply().status, 100);
  client.send("body");
  EXPECT_EQ(client.read_reply().body, "POST /  body");
  client.send(
      "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\nhere");  // it did not wait
  EXPECT_EQ(client.read_reply().body, "POST /  here");
  client.send("POST / HTTP/1.1\r\nHost: a\r\nExpect: a-miracle\r\nContent-Length: 4\r\n\r\n");
  EXPECT_EQ(client.read_reply().status, 417);
}

TEST(HttpServer, AnswersPipelinedRequestsInOrderOneAtATime) {
  Mailbox mailbox;
  const HttpServer server(test_options(), mailbox.handler());
  HttpClient client(server.port());
  client.send(request_text("GET", "/1") + request_text("POST", "/2", "two") + "\r\n" + request_text("GET", "/3"));
  for (const char* path : {"/1", "/2", "/3"}) {
    const Visit visit = mailbox.next();
    EXPECT_EQ(visit.request.path, path);
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    EXPECT_EQ(mailbox.size(), 0u);
    visit.response->send({.body = visit.request.path + visit.request.body});
  }
  EXPECT_EQ(client.read_reply().body, "/1");
  EXPECT_EQ(client.read_reply().body, "/2two");
  EXPECT_EQ(client.read_reply().body, "/3");
}

TEST(HttpServer, AnswersThousandsOfPipelinedRequests) {
  const HttpServer server(test_options(), echo);
  HttpClient client(server.port());
  std::string requests;
  for (int i = 0; i < 3000; ++i) requests += request_text("GET", "/" + std::to_string(i));
  std::thread sender([&] { client.send(requests); });
  for (int i = 0; i < 3000; ++i) ASSERT_EQ(client.read_reply().body, "GET /" + std::to_string(i) + "  ");
  sender.join();
}

TEST(HttpServer, ReportsWhatAHandlerThrows) {
  const HttpServer server(test_options(), [](const HttpRequest& request, const Response& response) {
    if (request.path == "/stream") response->begin({.body = "some"});
    if (request.path == "/other") throw 7;
    throw std::runtime_error("the \"reason\"");
  });
  HttpClient client(server.port());
  const ClientReply reply = client.ask("GET", "/");
  EXPECT_EQ(reply.status, 500);
  EXPECT_EQ(message_of(reply), "internal error: the \"reason\"");
  EXPECT_EQ(message_of(client.ask("GET", "/other")), "internal error");
  client.send(request_text("GET", "/stream"));
  EXPECT_THROW(client.read_reply(), std::runtime_error);  // the stream ends without its end
}

TEST(HttpServer, AnswersForAHandlerThatDropsTheResponse) {
  const HttpServer server(test_options(), [](const HttpRequest&, const Response&) {});
  HttpClient client(server.port());
  for (int i = 0; i < 2; ++i) {
    const ClientReply reply = client.ask("GET", "/");
    EXPECT_EQ(reply.status, 500);
    EXPECT_THAT(message_of(reply), HasSubstr("without a reply"));
  }
}

TEST(HttpServer, PassesOverCallsOutOfOrder) {
  const HttpServer server(test_options(), [](const HttpRequest&, const Response& response) {
    response->write("before the beginning");
    response->end();
    response->send({.body = "the reply"});
    response->send({.body = "another"});
    response->begin({.body = "a third"});
    response->write("x");
    response->end();
  });
  HttpClient client(server.port());
  EXPECT_EQ(client.ask("GET", "/").body, "the reply");
  EXPECT_EQ(client.ask("GET", "/").body, "the reply");
}

TEST(HttpServer, AResponseOutlivesTheServer) {
  std::vector<Response> kept;
  std::atomic<int> gone = 0;
  {
    Mailbox mailbox;
    HttpServer server(test_options(), mailbox.handler());
    HttpClient a(server.port()), b(server.port());
    a.send(request_text("GET", "/"));
    kept.push_back(mailbox.next().response);
    b.send(request_text("GET", "/"));
    kept.push_back(mailbox.next().response);
    kept.back()->begin({.body = "some"});
    for (const Response& response : kept) response->on_gone([&] { ++gone; });
  }
  EXPECT_EQ(gone, 2);
  kept[0]->send({.body = "late"});
  kept[1]->write("late");
  kept[1]->on_gone([&] { ++gone; });
  EXPECT_EQ(gone, 3) << "it has gone already, so it is called at once";
  kept[1]->end();
  kept.clear();
}

TEST(HttpServer, NoHeaderOfAReplyBeginsAnother) {
  const HttpServer server(test_options(), [](const HttpRequest&, const Response& response) {
    response->send({.headers = {{"X-Value", "a\r\nX-Planted: 1\r\n\r\n<html>"}}});
  });
  HttpClient client(server.port());
  const ClientReply reply = client.ask("GET", "/");
  EXPECT_EQ(reply.header("x-planted"), "");
  EXPECT_THAT(reply.header("x-value"), HasSubstr("X-Planted"));
}

TEST(HttpServer, ListensOnIpv6) {
  HttpOptions options = test_options();
  for (const char* host : {"::1", "[::1]"}) {
    options.host = host;
    std::unique_ptr<HttpServer> server;
    try {
      server = std::make_unique<HttpServer>(options, echo);
    } catch (const Error& error) {
      GTEST_SKIP() << "there is no IPv6 here: " << error.what();
    }
    HttpClient client(server->port(), {.is_ipv6 = true});
    EXPECT_EQ(client.ask("GET", "/").status, 200);
  }
}

TEST(HttpServer, SaysWhyItCannotListen) {
  const HttpServer server(test_options(), echo);
  HttpOptions options = test_options();
  options.port = server.port();
  const std::string where = "127.0.0.1:" + std::to_string(server.port());
  expect_error_with(ExitCode::io, {where + " is in use; choose another with --port"},
                    [&] { const HttpServer second(options, echo); });
  options.host = "192.0.2.1";  // of documentation
  expect_error_with(ExitCode::io, {"192.0.2.1:", "this machine has no such address; choose another with --host"},
                    [&] { const HttpServer second(options, echo); });
  for (const char* host : {"", "no such host", "[]"}) {
    options.host = host;
    expect_error_with(ExitCode::usage, {"does not resolve to an address", "127.0.0.1, with --host"},
                      [&] { const HttpServer second(options, echo); });
  }
  options = test_options();
  options.threads = 0;
  expect_error_with(ExitCode::usage, {"at least one thread, not 0"}, [&] { const HttpServer second(options, echo); });
}

TEST(HttpText, WritesDates) {
  EXPECT_EQ(http_date(784111777), "Sun, 06 Nov 1994 08:49:37 GMT");
  EXPECT_EQ(http_date(0), "Thu, 01 Jan 1970 00:00:00 GMT");
}

TEST(HttpText, DecodesPercents) {
  EXPECT_EQ(percent_decoded("/a%2Fb%c3%A9+%25"), "/a/b\xc3\xa9+%");
  for (const char* wrong : {"%", "%1", "a%g0", "%0g", "%00", "%%41"}) EXPECT_EQ(percent_decoded(wrong), std::nullopt);
}

}  // namespace
}  // namespace kiln
