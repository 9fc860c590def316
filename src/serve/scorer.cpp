// Takes one answer at a time, so that a long list does not hold up the tokens of others.
#include "serve/scorer.h"

#include "kiln/core/format.h"

#include <nlohmann/json.hpp>

#include "serve/api_error.h"
#include "serve/prompt_fields.h"
#include "serve/request_fields.h"
#include <exception>
#include <optional>
#include <utility>

namespace kiln {
namespace {

/// A request in progress, of the computing thread.
class Scoring {
 public:
  Scoring(std::shared_ptr<const RewardModel> model, ScoreRequest request, std::shared_ptr<HttpResponse> response)
      : model_(std::move(model)), request_(std::move(request)), response_(std::move(response)), pieces_(*response_) {
    for (const std::string& answer : request_.answers) pieces_.add([this, &answer] { score(answer); });
    pieces_.add([this] { send(); });
  }

  /// Does the next piece; returns whether there is another.
  bool do_piece() {
    try {
      return pieces_.do_next();
    } catch (const Error& error) {  // of usage: the template refuses the conversation
      const bool is_refused = error.code() == ExitCode::usage;
      response_->send(ApiError(is_refused ? 400 : 500, error.what(), is_refused ? "messages" : "").reply());
    } catch (const std::exception& error) {
      response_->send(ApiError(500, error.what()).reply());
    }
    return false;
  }

 private:
  void score(std::string_view text) {
    const AnswerToScore answer{.messages = request_.messages, .answer = text};
    const std::optional<double> score = model_->scores(std::span(&answer, 1)).front();
    scores_.push_back(score ? Json(*score) : Json());
  }

  void send() {
    const Json reply = {{"object", "scores"}, {"model", model_->name()}, {"scores", std::move(scores_)}};
    response_->send({.body = reply.dump()});
  }

  std::shared_ptr<const RewardModel> model_;
  ScoreRequest request_;
  std::shared_ptr<HttpResponse> response_;
  RequestPieces pieces_;
  Json scores_ = Json::array();
};

}  // namespace

ScoreRequest read_score_request(std::string_view body) {
  const Json json = parse_body(body);
  RequestFields fields(json);
  fields.ignore({"model"});  // there is one reward model
  ScoreRequest request{.messages = read_messages(fields), .answers = {}};
  const Json* answers = fields.find_array("answers");
  if (answers == nullptr || answers->empty()) fields.refuse("answers", "give an array with at least one text");
  if (answers->size() > kMostScored) {
    fields.refuse("answers",
                  fmt::format("{} were sent; send at most {}", format_count(std::ssize(*answers)), kMostScored));
  }
  for (std::size_t i = 0; i < answers->size(); ++i) {
    request.answers.push_back(to_text(item("answers", i), (*answers)[i]));
  }
  fields.refuse_unknown();
  return request;
}

Scorer::Scorer(Engine& engine, std::shared_ptr<const RewardModel> model) : model_(std::move(model)), work_(engine) {}

void Scorer::begin(ScoreRequest request, std::shared_ptr<HttpResponse> response) {
  const auto scoring = std::make_shared<Scoring>(model_, std::move(request), std::move(response));
  work_.add([scoring] { return scoring->do_piece(); });
}

}  // namespace kiln
