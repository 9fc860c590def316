// kiln serve: answers requests over HTTP until a signal comes.
#include "kiln/core/duration.h"
#include "kiln/core/error.h"
#include "kiln/core/file.h"
#include "kiln/core/format.h"
#include "kiln/core/threads.h"
#include "kiln/run/run_directory.h"
#include "kiln/serve/engine.h"
#include "kiln/serve/http_server.h"
#include "kiln/serve/licenses.h"
#include "kiln/serve/service.h"
#include "kiln/train/reward_model.h"

#include <spdlog/spdlog.h>

#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "cli/serve_ranking.h"
#include "cli/state_folder.h"
#include "cli/stop_signals.h"
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace kiln::cli {
namespace {

using namespace std::chrono_literals;

constexpr const char* kKeyVariable = "KILN_API_KEY";
constexpr auto kLastReplies = 2s;  // to send what is computed

struct ServeArguments {
  std::vector<std::string> runs;
  std::optional<std::string> precision, chat_template;
  HttpOptions http;
  AccessOptions access;
  std::string key_file;
  std::string runs_folder;
  std::string reward;
  RankArguments rank;
  bool licenses = false;
  std::string data;
  bool insecure = false;
  Index cache_mebibytes = 1024;
  EngineOptions engine;
  Index follow_seconds = 0;
  Index grace_seconds = 30;
};

std::string trimmed_line(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
  return text;
}

/// Returns the key of --api-key-file or of the environment; "" for none.
std::string key_of(const ServeArguments& arguments) {
  const char* variable = std::getenv(kKeyVariable);
  std::string key = !arguments.key_file.empty() ? trimmed_line(read_file(arguments.key_file))
                    : variable != nullptr       ? std::string(variable)
                                                : std::string();
  check(arguments.key_file.empty() || !key.empty(), "{}: the key is empty; write one on its first line",
        arguments.key_file);
  check(key.find_first_of(" \t\r\n") == std::string::npos, "the key has white space within; use one word");
  return key;
}

/// Returns whether only this machine reaches the host.
bool is_loopback(const std::string& host) { return host == "localhost" || host == "::1" || host.starts_with("127."); }

/// Throws Error (usage) for a server that anybody in the network could use.
void check_protected(const ServeArguments& arguments, const std::string& key) {
  const bool is_local = is_loopback(arguments.http.host);
  check(is_local || !key.empty() || arguments.insecure,
        "{} can be reached from other machines, and there is no key; name a file with one (--api-key-file FILE, or the "
        "variable {}), or allow anybody with --insecure",
        arguments.http.host, kKeyVariable);
}

std::vector<Engine::Model> load_models(const ServeArguments& arguments) {
  std::vector<Engine::Model> models;
  for (const std::string& run : arguments.runs) {
    ModelChoice choice{.run = run};
    if (arguments.precision) choice.precision = value_of<Precision>(kPrecisions, *arguments.precision);
    if (arguments.chat_template)
      choice.chat_template = value_of<ChatTemplateKind>(kChatTemplateKinds, *arguments.chat_template);
    models.push_back(std::make_shared<const ServedModel>(choice));
    spdlog::info("{}: {}, context of {}", models.back()->name(),
                 counted(models.back()->loaded().model->layout.count(), "parameter"), models.back()->config().n_ctx);
  }
  return models;
}

/// Returns the model of --reward; null without the option.
std::shared_ptr<const RewardModel> load_reward_model(const ServeArguments& arguments) {
  if (arguments.reward.empty()) return nullptr;
  ModelSource source = open_model(arguments.reward);
  const Precision precision = precision_of(source);
  auto reward = std::make_shared<const RewardModel>(load_model(std::move(source), ModelKind::reward, precision));
  spdlog::info("{}: scores answers", reward->name());
  return reward;
}

/// Returns the folder of --runs, else the one that holds the first run; "" if there is no model, or it is no run.
std::filesystem::path folder_of_runs(const ServeArguments& arguments) {
  namespace fs = std::filesystem;
  if (!arguments.runs_folder.empty()) return arguments.runs_folder;
  const fs::path first = arguments.runs.empty() ? arguments.reward : arguments.runs.front();
  return is_folder(first) && is_run_directory(first)
             ? fs::absolute(first / "").lexically_normal().parent_path().parent_path()
             : fs::path();
}

/// Returns the service with the folder of --data. Without the option, a folder that cannot be created is none.
std::unique_ptr<Service> make_service(Engine& engine, const ServeArguments& arguments, const AccessOptions& access) {
  ServiceOptions options{.access = access,
                         .data = arguments.data,
                         .runs = folder_of_runs(arguments),
                         .reward = load_reward_model(arguments),
                         .ranking = ranking_options(arguments.rank)};
  const std::optional<std::filesystem::path> state = state_folder();
  if (!arguments.data.empty() || !state) return std::make_unique<Service>(engine, options);
  try {
    options.data = *state / "serve";
    return std::make_unique<Service>(engine, options);
  } catch (const Error& error) {
    spdlog::warn("conversations are not kept: {}; choose a folder for them with --data", error.what());
  }
  options.data.clear();
  return std::make_unique<Service>(engine, options);
}

/// Calls `work` every so often, until it is destroyed.
class Repeated {
 public:
  Repeated(std::chrono::seconds every, std::function<void()> work)
      : thread_([this, every, work = std::move(work)] {
          std::unique_lock lock(mutex_);
          while (!ended_.wait_for(lock, every, [this] { return has_ended_; })) work();
        }) {}
  ~Repeated() {
    {
      const std::lock_guard lock(mutex_);
      has_ended_ = true;
    }
    ended_.notify_one();
    thread_.join();
  }
  Repeated(const Repeated&) = delete;
  Repeated& operator=(const Repeated&) = delete;

 private:
  std::mutex mutex_;
  std::condition_variable ended_;
  bool has_ended_ = false;
  std::thread thread_;
};

void reload(Service& service) {
  try {
    for (const std::string& name : service.reload()) spdlog::info("{}: took the newest checkpoint", name);
  } catch (const std::exception& error) {
    spdlog::warn("the newest checkpoint was not taken: {}", error.what());
  }
}

void say_where(const ServeArguments& arguments, std::uint16_t port, bool has_key) {
  const bool is_v6 = arguments.http.host.find(':') != std::string::npos;
  spdlog::info("serving at http://{}:{}/ {}; Ctrl-C ends it",
               is_v6 ? "[" + arguments.http.host + "]" : arguments.http.host, port,
               has_key ? "for those who have the key" : "without a key");
}

void run_serve(const ServeArguments& arguments) {
  if (arguments.licenses) return write_stdout(licenses());
  check(!arguments.runs.empty() || !arguments.runs_folder.empty() || !arguments.reward.empty() ||
            !arguments.rank.file.empty(),
        "name a model to serve (kiln serve runs/tales), a folder of runs to watch (--runs runs), a reward model "
        "(--reward runs/reward), or answers to rank (--rank answers.jsonl --rankings rankings.jsonl)");
  check(arguments.runs_folder.empty() || is_folder(arguments.runs_folder), "--runs: {}: there is no such folder",
        arguments.runs_folder);
  AccessOptions access = arguments.access;
  access.key = key_of(arguments);
  check_protected(arguments, access.key);
  std::mutex mutex;  // of the engine's existence
  Engine* stopping = nullptr;
  std::unique_ptr<Repeated> cut;
  const StopSignals signals([&](int) {  // before any thread starts
    const std::lock_guard lock(mutex);
    if (stopping == nullptr) return;
    stopping->finish();
    cut = std::make_unique<Repeated>(std::chrono::seconds(arguments.grace_seconds), [&] { stopping->stop(); });
  });
  set_threads(0);

  EngineOptions options = arguments.engine;
  options.cache_bytes = static_cast<std::size_t>(arguments.cache_mebibytes) << 20;
  Engine engine(load_models(arguments), options);
  const std::unique_ptr<Service> owned = make_service(engine, arguments, access);
  Service& service = *owned;
  HttpServer server(arguments.http,
                    [&service](const HttpRequest& request, const std::shared_ptr<HttpResponse>& response) {
                      service.handle(request, response);
                    });
  say_where(arguments, server.port(), !access.key.empty());
  std::unique_ptr<Repeated> following;
  if (arguments.follow_seconds > 0) {
    following =
        std::make_unique<Repeated>(std::chrono::seconds(arguments.follow_seconds), [&service] { reload(service); });
  }
  {
    const std::lock_guard lock(mutex);
    stopping = &engine;
  }
  if (signals.received()) engine.finish();  // while the models were loaded
  engine.run();
  following.reset();
  {
    const std::lock_guard lock(mutex);
    stopping = nullptr;
  }
  cut.reset();
  if (const std::size_t unfinished = server.stop(kLastReplies); unfinished > 0) {
    spdlog::warn("{} did not end in time", counted(static_cast<Index>(unfinished), "answer"));
  }
}

}  // namespace

void add_serve(CLI::App& app) {
  const auto arguments = std::make_shared<ServeArguments>();
  CLI::App* command = app.add_subcommand("serve", "Serve models to browsers and programs over HTTP");
  command
      ->add_option(
          "RUN", arguments->runs,
          "run directories, checkpoint folders, Hugging Face model folders or folders of adapters; none: only the "
          "pages of --runs and --rank")
      ->type_name("DIR")
      ->default_str("");
  command->add_option("--host", arguments->http.host,
                      "address to listen on; any but this machine's own needs a key, or --insecure");
  add_count(*command, "--port", arguments->http.port, "port to listen on; 0: any that is free");
  add_choice(*command, "--precision", arguments->precision, kPrecisions,
             "precision of the computation; default: the precision of the run's training");
  add_choice(
      *command, "--template", arguments->chat_template, kChatTemplateKinds,
      "chat template; default: the model's own, else the one whose special tokens the vocabulary has, else plain");
  add_count(*command, "--cache-memory", arguments->cache_mebibytes,
            "MiB for the keys and values of all models; requests that find no room wait", 1, Index{1} << 20);
  add_count(*command, "--most-sequences", arguments->engine.most_sequences, "answers that a model draws at a time", 1,
            1024);
  add_count(*command, "--queue", arguments->engine.queue, "further answers that wait; beyond these, the reply is 503");
  command
      ->add_option(
          "--data", arguments->data,
          "folder for conversations, feedback and raters' links; default: kiln/serve in $XDG_STATE_HOME, else in "
          "~/.local/state")
      ->type_name("DIR");
  command->add_flag("--deterministic", arguments->engine.deterministic,
                    "the same seed gives the same tokens, whatever else runs beside it; slower for many clients");
  command
      ->add_option("--api-key-file", arguments->key_file,
                   fmt::format("file with the key that clients must send; default: the variable {}", kKeyVariable))
      ->type_name("FILE");
  command->add_flag("--insecure", arguments->insecure, "let other machines use the server without a key");
  add_repeated(*command, "--allow-host", arguments->access.hosts,
               "name under which a proxy offers the server; may be repeated")
      ->type_name("NAME");
  add_repeated(*command, "--allow-origin", arguments->access.origins,
               "page from elsewhere that may use the server, such as https://example.org; may be repeated")
      ->type_name("ORIGIN");
  command
      ->add_option("--runs", arguments->runs_folder,
                   "folder whose runs the page \"Runs\" shows; default: the one that holds the first RUN")
      ->type_name("DIR");
  command->add_option("--reward", arguments->reward, "reward model that scores answers, for POST /v1/score")
      ->type_name("RUN");
  add_serve_ranking(*command, arguments->rank);
  add_count(*command, "--follow", arguments->follow_seconds,
            "look for a newer checkpoint every so many seconds, and take it; 0: only on POST /v1/reload");
  add_count(*command, "--grace", arguments->grace_seconds,
            "seconds that answers in progress have to end after a signal", 1);
  command->add_flag("--licenses", arguments->licenses,
                    "print the licences of the libraries that the pages contain, and end");
  command->footer(
      "Programs use it as they use OpenAI's API (/v1/chat/completions, /v1/completions) and llama.cpp's server\n"
      "(/health, /tokenize, /detokenize, /apply-template, /props, /metrics).\n"
      "Examples: kiln serve runs/tales --port 8080\n"
      "          kiln serve --runs runs                  # watch trainings, without a model\n"
      "          kiln serve --rank answers.jsonl --rankings rankings.jsonl   # let people rank");
  command->callback([arguments] { run_serve(*arguments); });
}

}  // namespace kiln::cli
