// A whole server on a small random model, on a free port of 127.0.0.1.
#pragma once

#include "kiln/core/threads.h"
#include "kiln/nn/init.h"
#include "kiln/run/checkpoint_store.h"
#include "kiln/run/model_loader.h"
#include "kiln/serve/engine.h"
#include "kiln/serve/http_server.h"
#include "kiln/serve/service.h"
#include "kiln/text/tokenizer_json.h"

#include <nlohmann/json.hpp>

#include "serve/http_client.h"
#include "support/scratch.h"
#include "text/byte_tokenizer.h"
#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace kiln::testing {

inline constexpr Index kServedContext = 160;

/// Bytes and the tokens of ChatML.
inline ByteTokenizer served_tokenizer() {
  return ByteTokenizer({{"<|im_start|>", 256}, {"<|im_end|>", 257}, {"<|endoftext|>", 258}});
}

/// Saves a checkpoint of a random model of bytes, as the run `name` in the folder, which keeps `keep` earlier ones.
/// `data_digest` is that of the dataset that it was trained on.
inline std::string save_run(const Scratch& scratch, const std::string& name, std::int64_t step = 10,
                            std::uint64_t seed = 7, std::int64_t keep = 10, std::uint64_t data_digest = 0) {
  const ByteTokenizer tokenizer = served_tokenizer();
  Config config;
  config.name = name;
  config.model.n_layers = 2;
  config.model.d_model = 32;
  config.model.n_heads = 4;
  config.model.n_ctx = kServedContext;
  config.model.init.scheme = InitScheme::normal;
  config.model.init.std = 0.3;
  config.model.resolve();
  config.train.resolve();
  const LanguageModel<float> model(config.model, tokenizer.vocab_size());
  ParameterBuffer<float> weights(model.layout);
  initialise(config.model, seed, weights);
  TrainerState state;
  state.step = step;
  state.data_digest = data_digest;
  const SpecialIds ids{.ends = {258}, .end = 258};
  const std::string jinja = ChatTemplate(ChatTemplateKind::chatml, tokenizer, ids).jinja();
  std::string folder = scratch.path("runs/" + name).string();
  save_checkpoint(
      scratch.path("runs/" + name + "/checkpoints"),
      {config, tokenizer.vocab_size(), weights, {}, tokenizer_files(tokenizer, config.model, ids, jinja), state}, false,
      keep);
  return folder;
}

/// Serves runs until it is destroyed.
class TestServer {
 public:
  explicit TestServer(const std::vector<std::string>& runs, EngineOptions options = {}, ServiceOptions service = {})
      : engine_(models(runs), options),
        service_(engine_, std::move(service)),
        server_({.host = "127.0.0.1", .port = 0},
                [this](const HttpRequest& request, const std::shared_ptr<HttpResponse>& response) {
                  service_.handle(request, response);
                }),
        computing_([this] {
          set_threads(1);
          engine_.run();
        }) {}
  ~TestServer() {
    engine_.stop();
    computing_.join();
  }
  TestServer(const TestServer&) = delete;
  TestServer& operator=(const TestServer&) = delete;

  std::uint16_t port() const { return server_.port(); }
  Engine& engine() { return engine_; }

  ClientReply post(std::string_view path, const Json& body) const {
    return HttpClient(port()).ask("POST", path, body.dump());
  }
  ClientReply get(std::string_view path) const { return HttpClient(port()).ask("GET", path); }

  /// Returns the JSON of the reply; expects this status.
  Json json(std::string_view path, const Json& body, int status = 200) const {
    const ClientReply reply = post(path, body);
    EXPECT_EQ(reply.status, status) << reply.body;
    return Json::parse(reply.body, nullptr, false);
  }

  /// Waits until nothing runs or waits.
  void wait_until_idle() const {
    for (int i = 0; i < 500; ++i) {
      const EngineCounts counts = engine_.counts();
      if (counts.running + counts.waiting == 0) return;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    ADD_FAILURE() << "the server is still busy";
  }

 private:
  static std::vector<Engine::Model> models(const std::vector<std::string>& runs) {
    std::vector<Engine::Model> models;
    for (const std::string& run : runs) models.push_back(std::make_shared<const ServedModel>(ModelChoice{.run = run}));
    return models;
  }

  Engine engine_;
  Service service_;
  HttpServer server_;
  std::thread computing_;
};

/// A client that counts what it gets, and goes when the test says so.
class IgnoredResponse final : public HttpResponse {
 public:
  void send(HttpReply) override { add(); }
  void begin(HttpReply) override { add(); }
  void write(std::string) override { add(); }
  void end() override { has_ended_ = true; }
  void on_gone(std::function<void()> gone) override { gone_ = std::move(gone); }

  void go() const { gone_(); }
  bool has_ended() const { return has_ended_; }
  int pieces() const { return pieces_; }
  void wait_for_pieces(int count) const {
    for (int i = 0; i < 3000 && pieces_ < count; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    EXPECT_GE(pieces_, count);
  }

 private:
  void add() { ++pieces_; }

  std::function<void()> gone_;
  std::atomic<int> pieces_ = 0;
  std::atomic<bool> has_ended_ = false;
};

/// Returns the events of a stream, the last one as text.
inline std::vector<std::string> events_of(const ClientReply& reply) {
  std::vector<std::string> events;
  for (std::size_t at = 0; at < reply.body.size();) {
    const std::size_t end = reply.body.find("\n\n", at);
    EXPECT_EQ(reply.body.substr(at, 6), "data: ");
    events.push_back(reply.body.substr(at + 6, end - at - 6));
    at = end + 2;
  }
  return events;
}

}  // namespace kiln::testing
