// Cuts the work into pieces of some tens of milliseconds: rows of logits, a head's attention, a token drawn.
#include "serve/inspection.h"

#include "kiln/core/format.h"
#include "kiln/infer/decoder.h"
#include "kiln/infer/inspector.h"
#include "kiln/infer/token_stream.h"

#include <nlohmann/json.hpp>

#include "serve/api_error.h"
#include "serve/inspection_json.h"
#include "serve/prompt_tokens.h"
#include <algorithm>
#include <functional>
#include <optional>
#include <utility>

namespace kiln {
namespace {

constexpr Index kRowsOfPiece = 64;

std::vector<TokenId> tokens_of(const ServedModel& model, const InspectionRequest& request) {
  std::vector<TokenId> tokens;
  if (request.messages.empty()) {
    const bool is_text = std::holds_alternative<std::string>(request.input);
    tokens = prompt_tokens(model, request.input, is_text ? "text" : "tokens");
  } else {
    tokens = encoded("messages", [&] { return model.chat().prompt(request.messages); });
  }
  check_fits(std::ssize(tokens), model.config().n_ctx);
  return tokens;
}

/// Returns the heads whose attention is asked for. Throws ApiError (400).
std::vector<HeadChoice> heads_of(const ModelConfig& config, const InspectionRequest& request) {
  std::vector<HeadChoice> heads;
  if (request.head) {
    const auto [layer, head] = *request.head;
    if (layer >= config.n_layers || head >= config.n_heads) {
      throw ApiError(
          400,
          fmt::format("attention: layer {}, head {} was sent; the model has layers 0 to {} and heads 0 to {}", layer,
                      head, config.n_layers - 1, config.n_heads - 1),
          "attention");
    }
    heads.push_back(*request.head);
  }
  for (Index layer = 0; request.has_all_heads && layer < config.n_layers; ++layer) {
    for (Index head = 0; head < config.n_heads; ++head) heads.push_back({.layer = layer, .head = head});
  }
  return heads;
}

void check_limit(Index numbers, Index most, std::string_view param, std::string_view advice) {
  if (numbers <= most) return;
  throw ApiError(400,
                 fmt::format("{}: that makes {}, and at most {} are sent; {}", param, counted(numbers, "number"),
                             format_count(most), advice),
                 std::string(param));
}

/// A request in progress, of the computing thread.
class Inspecting {
 public:
  Inspecting(InspectedModel model, const InspectionRequest& request, std::shared_ptr<HttpResponse> response)
      : model_(std::move(model)),
        request_(request),
        response_(std::move(response)),
        tokens_(tokens_of(*model_.served, request)),
        heads_(heads_of(model_.served->config(), request)),
        pieces_(*response_) {
    const ModelConfig& config = model_.served->config();
    check_limit(std::ssize(heads_) * rows() * (rows() + 1) / 2, kMostAttention, "attention",
                "ask for one head, or shorten the text");
    if (request.has_lens) {
      check_limit((config.n_layers + 1) * rows(), kMostLensCells, "layers", "shorten the text");
    }
    plan();
  }

  /// Does the next piece; returns whether there is another.
  bool do_piece() {
    try {
      if (pieces_.do_next()) return true;
      if (pieces_.has_client()) response_->send({.body = reply_.dump(-1, ' ', false, Json::error_handler_t::replace)});
    } catch (const std::exception& error) {
      response_->send(ApiError(500, error.what()).reply());
    }
    return false;
  }

 private:
  Index rows() const { return std::ssize(tokens_); }
  const Tokenizer& tokenizer() const { return model_.served->tokenizer(); }

  void plan() {
    pieces_.add([this] { begin(); });
    for (Index first = 0; first < rows(); first += kRowsOfPiece) {
      pieces_.add([this, first] { add_forecasts(first); });
    }
    for (Index layer = 0; request_.has_lens && layer <= model_.served->config().n_layers; ++layer) {
      for (Index first = 0; first < rows(); first += kRowsOfPiece) {
        pieces_.add([this, layer, first] { add_lens(layer, first); });
      }
    }
    for (const HeadChoice& head : heads_) {
      pieces_.add([this, head] { add_attention(head); });
    }
    if (request_.continuation > 0) pieces_.add([this] { begin_continuation(); });
  }

  void begin() {
    inspector_.emplace(model_.view(), tokens_, request_.has_lens || !heads_.empty());
    reply_ = model_.description();
    reply_["object"] = "inspection";
    reply_["n_layers"] = model_.served->config().n_layers;
    reply_["n_heads"] = model_.served->config().n_heads;
    reply_["tokens"] = Json::array();
    for (const TokenId token : tokens_) reply_["tokens"].push_back(token_json_with_bytes(tokenizer(), token));
    reply_["positions"] = Json::array();
    if (request_.has_lens) {
      reply_["lens"] = Json(static_cast<std::size_t>(model_.served->config().n_layers + 1), Json::array());
    }
    if (!heads_.empty()) reply_["attention"] = Json::array();
  }

  void add_forecasts(Index first) {
    for (const Forecast& forecast :
         inspector_->forecasts(first, std::min(kRowsOfPiece, rows() - first), request_.top)) {
      answers_.push_back(forecast.top.front().token);
      reply_["positions"].push_back(forecast_json(tokenizer(), forecast));
    }
  }

  void add_lens(Index layer, Index first) {
    const auto count = static_cast<std::size_t>(std::min(kRowsOfPiece, rows() - first));
    const std::span<const TokenId> answers = std::span(answers_).subspan(static_cast<std::size_t>(first), count);
    Json& cells = reply_["lens"][static_cast<std::size_t>(layer)];
    for (const LensReading& reading : inspector_->lens(layer, first, answers)) {
      cells.push_back(lens_json(tokenizer(), reading));
    }
  }

  void add_attention(const HeadChoice& head) {
    reply_["attention"].push_back({{"layer", head.layer},
                                   {"head", head.head},
                                   {"rows", triangle_json(inspector_->attention(head.layer, head.head))}});
  }

  void begin_continuation() {
    inspector_.reset();  // its memory is needed no more
    const ServedModel& served = *model_.served;
    const Index positions = std::min(served.config().n_ctx, rows() + request_.continuation);
    decoder_.emplace(model_.view(), DecoderOptions{.cache_positions = positions,
                                                   .most_sequences = 1,
                                                   .candidates = served.tokenizer().vocab_size()});
    stream_.emplace(served.tokenizer(), std::vector<std::string>(), tokens_.back());
    std::vector<TokenId> ends = served.ids().ends;
    if (!request_.messages.empty()) ends.push_back(served.chat().end_of_turn());
    DecodingEvents events;
    events.on_token = [this](const DecodedToken& token) {
      continuation_ += stream_->push(token.token);
      return true;
    };
    events.on_end = [this](const DecodingEnd& end) {
      if (end.diverged) throw ApiError(500, "the model's scores for the next token are not finite");
      continuation_ += stream_->finish();
      reply_["continuation"] = {{"text", continuation_},
                                {"finish_reason", end.finish == Finish::length ? "length" : "stop"}};
    };
    decoder_->add({.prompt = tokens_,
                   .max_tokens = request_.continuation,
                   .sampling = request_.sampling,
                   .seed = request_.seed,
                   .end_tokens = std::move(ends)},
                  std::move(events));
    pieces_.add([this] { continue_text(); });
  }

  void continue_text() {
    if (decoder_->step()) pieces_.add([this] { continue_text(); });
  }

  InspectedModel model_;
  InspectionRequest request_;
  std::shared_ptr<HttpResponse> response_;
  std::vector<TokenId> tokens_, answers_;
  std::vector<HeadChoice> heads_;
  RequestPieces pieces_;
  std::optional<Inspector> inspector_;
  std::optional<Decoder> decoder_;
  std::optional<TokenStream> stream_;
  std::string continuation_;
  Json reply_;
};

}  // namespace

void begin_inspection(Inside& inside, const InspectedModel& model, const InspectionRequest& request,
                      std::shared_ptr<HttpResponse> response) {
  const auto inspecting = std::make_shared<Inspecting>(model, request, std::move(response));
  inside.work.add([inspecting] { return inspecting->do_piece(); });
}

}  // namespace kiln
