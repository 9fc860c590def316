// Answers the requests of kiln serve: finds what a path means, and checks who may use it.
#pragma once

#include "kiln/data/judgements.h"
#include "kiln/serve/access.h"
#include "kiln/serve/engine.h"
#include "kiln/serve/http_server.h"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace kiln {

class ConversationStore;
class Feedback;
class RaterTokens;
class RewardModel;
class RunReader;
class Scorer;
struct Inside;
struct RankingService;

/// What people rank on the page "Rank". A rater sees what showings_for (kiln/data/rankings.h) returns.
struct RankingOptions {
  std::vector<JudgedPrompt> prompts = {};
  std::filesystem::path file = {};  // of rankings, to which judgements are added
  std::string owner = {};           // name under which those rank who may use the whole server
  std::uint64_t seed = 1;
  double repeat = 0.1;
};

struct ServiceOptions {
  AccessOptions access = {};
  std::filesystem::path data = {};  // folder for conversations, feedback and raters' tokens; "": none are kept
  std::filesystem::path runs = {};  // folder whose runs the page "Runs" shows; "": none
  std::shared_ptr<const RewardModel> reward = nullptr;  // that scores answers; null: none
  std::optional<RankingOptions> ranking = {};
};

/// The paths of one server. Any thread may call handle().
class Service {
 public:
  /// `engine` must outlive the service. Throws Error (io) if the folder for the data cannot be created, and as
  /// RankingLog does.
  Service(Engine& engine, ServiceOptions options);
  ~Service();

  /// Answers a request, now or later. Errors become replies.
  void handle(const HttpRequest& request, const std::shared_ptr<HttpResponse>& response);

  /// Loads the newest checkpoint of each model whose checkpoint was not named, if it has changed, and replaces the
  /// model. Returns the names of those. Throws as ServedModel does.
  std::vector<std::string> reload();

  /// Return where conversations and feedback are kept. Throw ApiError (404) if the server keeps none.
  ConversationStore& conversations() const;
  Feedback& feedback() const;

  /// Returns what reads the folder of runs; null if there is none.
  RunReader* runs() const { return runs_.get(); }

  /// Returns what scores answers. Throws ApiError (404) if the server has no reward model.
  Scorer& scorer() const;
  /// Return what people rank, and the tokens of raters. Throw ApiError (404) if there is nothing to rank, or the server
  /// keeps no tokens.
  RankingService& ranking() const;
  RaterTokens& raters() const;

  /// Returns what looks into models.
  Inside& inside() const { return *inside_; }

 private:
  std::string_view page_path(std::string_view path) const;

  Engine& engine_;
  ServiceOptions options_;
  std::mutex reloading_;
  std::unique_ptr<ConversationStore> conversations_;
  std::unique_ptr<Feedback> feedback_;
  std::unique_ptr<RunReader> runs_;
  std::unique_ptr<Scorer> scorer_;
  std::unique_ptr<RaterTokens> raters_;
  std::unique_ptr<RankingService> ranking_;
  std::unique_ptr<Inside> inside_;
};

}  // namespace kiln
