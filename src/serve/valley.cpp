// Holds in memory only what the plane needs: of a random one, a single checkpoint of the path at a time.
#include "serve/valley.h"

#include "kiln/core/error.h"
#include "kiln/core/format.h"
#include "kiln/data/batcher.h"
#include "kiln/data/dataset.h"
#include "kiln/run/checkpoint.h"
#include "kiln/run/model_loader.h"
#include "kiln/run/run_directory.h"
#include "kiln/train/batch_loss.h"
#include "kiln/train/descent.h"
#include "kiln/train/weight_plane.h"

#include <nlohmann/json.hpp>

#include "serve/api_error.h"
#include "serve/inspection_json.h"
#include "serve/prompt_tokens.h"
#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

namespace kiln {
namespace {

constexpr int kPlaceDigits = 7;
constexpr double kMargin = 0.3;      // of a plane along the run, around its path: a share of the path's width
constexpr std::size_t kBuffers = 4;  // the origin, two directions, and the point where the loss is computed

/// Returns windows of the run's held-out text, evenly spread over it. Throws ApiError (404) if the run has none.
Batch held_out_batch(const ServedModel& model) {
  const std::optional<Config>& config = model.loaded().source.config;
  std::optional<Dataset> tokens;
  if (config && model.step()) {
    const RunPaths run{model.folder().parent_path().parent_path()};
    tokens = find_dataset(config->data, read_trainer_state(model.folder()).data_digest, run.tokens());
  }
  if (!tokens || tokens->validation.size() < 2) {
    throw ApiError(
        404, fmt::format("data: the folder of {} holds no tokens of held-out text; send a text", model.name()), "data");
  }
  const Index window = std::min(model.config().n_ctx, kMostExperimentTokens), count = kMostExperimentTokens / window;
  const EvaluationBatches batches(tokens->validation, window, count, count * window,
                                  document_border(config->data, model.ids()));
  Batch batch;
  batches.fill(0, batch);
  return batch;
}

Batch batch_of(const ServedModel& model, const ValleyRequest& request) {
  if (request.held_out) return held_out_batch(model);
  const std::vector<TokenId> tokens = experiment_tokens(model, request.input);
  if (tokens.size() < 2) throw ApiError(400, "text: it has one token alone; at least two are needed", "text");
  return batch_of_text(tokens, 1);
}

/// Returns `count` checkpoints, evenly spaced, with the first and the last; all if there are no more.
std::vector<SavedCheckpoint> evenly_spaced(const std::vector<SavedCheckpoint>& all, std::size_t count) {
  if (all.size() <= count) return all;
  std::vector<SavedCheckpoint> some;
  for (std::size_t i = 0; i < count; ++i)
    some.push_back(all[i * (all.size() - 1) / std::max<std::size_t>(1, count - 1)]);
  return some;
}

/// Numbers from `middle - half` to `middle + half`; exactly `middle` is the one in the middle.
std::vector<double> axis_around(double middle, double half, Index size) {
  std::vector<double> numbers;
  for (Index i = 0; i < size; ++i) {
    numbers.push_back(middle + half * static_cast<double>(2 * i - (size - 1)) / static_cast<double>(size - 1));
  }
  return numbers;
}

std::string event(const Json& json) {
  return "data: " + json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n\n";
}

Json finite(double number) { return std::isfinite(number) ? Json(number) : Json(); }

/// A checkpoint of the run, as it is seen from the plane.
struct PathStop {
  SavedCheckpoint saved;
  std::optional<LoadedModel> loaded = {};
  PlanePlace place = {};
  double loss = 0;
};

/// A request in progress, of the computing thread.
class Valley {
 public:
  Valley(InspectedModel model, const ValleyRequest& request, std::shared_ptr<HttpResponse> response)
      : model_(std::move(model)),
        request_(request),
        response_(std::move(response)),
        batch_(batch_of(*model_.served, request)),
        pieces_(*response_) {
    choose_path();
    pieces_.add([this] { begin(); });
  }

  /// Does the next piece; returns whether there is another.
  bool do_piece() {
    try {
      return pieces_.do_next();
    } catch (const ApiError& error) {
      refuse(error);
    } catch (const std::exception& error) {
      refuse(ApiError(500, error.what()));
    }
    return false;
  }

 private:
  /// Chooses the checkpoints of the path such that the memory suffices. Throws ApiError (400).
  void choose_path() {
    const ModelView view = model_.view();
    const std::size_t weights =
        static_cast<std::size_t>(model_.served->loaded().model->layout.extent()) * sizeof(float);
    const std::size_t runner = BatchLoss::bytes(view.config, view.vocab_size, batch_, BatchLoss::Needs::loss);
    const std::size_t loaded = request_.along_run ? kLeastPathStops : 1;
    const std::size_t least = (kBuffers + loaded) * weights + runner;
    if (least > kMostValleyBytes) {
      throw ApiError(400,
                     fmt::format("the valley of {} takes {} of memory, and {} are allowed; choose a smaller model",
                                 model_.served->name(), format_bytes(static_cast<double>(least)),
                                 format_bytes(static_cast<double>(kMostValleyBytes))),
                     "model");
    }
    const std::vector<SavedCheckpoint> all = checkpoints_of(*model_.served);
    if (request_.along_run && std::ssize(all) < kLeastPathStops) {
      throw ApiError(400,
                     fmt::format("directions: {} has {}, and the directions of a run need at least {}; take "
                                 "random ones, or train with a smaller train.checkpoint_every and a larger "
                                 "train.keep_checkpoints",
                                 model_.served->name(), counted(std::ssize(all), "checkpoint"), kLeastPathStops),
                     "directions");
    }
    const std::size_t room = loaded + (kMostValleyBytes - least) / weights;  // checkpoints in memory together
    const auto most = static_cast<std::size_t>(kMostPathStops);
    for (SavedCheckpoint& saved : evenly_spaced(all, request_.along_run ? std::min(most, room) : most)) {
      path_.push_back({.saved = std::move(saved)});
    }
    left_out_ = all.size() - path_.size();
  }

  void begin() {
    const ModelView view = model_.view();
    origin_.emplace(copy_of_weights(view));
    for (auto* buffer : {&first_, &second_, &point_}) buffer->emplace(origin_->layout());
    loss_.emplace(view.config, view.vocab_size, batch_, BatchLoss::Needs::loss);
    if (request_.along_run) {
      plan_for_path(&Valley::load);
      pieces_.add([this] { find_run_directions(); });
      plan_for_path(&Valley::look_at);
    } else {
      plan_random_directions();
      for (PathStop& stop : path_) {
        pieces_.add([this, &stop] { load(stop); });
        pieces_.add([this, &stop] { look_at(stop); });
      }
    }
    pieces_.add([this] { begin_reply(); });
  }

  void plan_for_path(void (Valley::*look)(PathStop&)) {
    for (PathStop& stop : path_) pieces_.add([this, look, &stop] { (this->*look)(stop); });
  }

  void plan_random_directions() {
    for (const Parameter& p : origin_->layout().parameters()) {
      pieces_.add([this, &p] { draw_direction(*origin_, p, request_.seed, "first", *first_); });
      pieces_.add([this, &p] { draw_direction(*origin_, p, request_.seed, "second", *second_); });
    }
  }

  void find_run_directions() {
    std::vector<const ParameterBuffer<float>*> points;
    for (const PathStop& stop : path_) points.push_back(&stop.loaded->weights->masters());
    variance_ = principal_directions(points, *first_, *second_);
  }

  void load(PathStop& stop) {
    stop.loaded.emplace(load_weights(open_model(stop.saved.folder)));
    if (stop.loaded->weights->masters().layout().extent() == origin_->layout().extent()) return;
    throw ApiError(
        400, fmt::format("the checkpoint of step {} has other shapes than {}", stop.saved.step, model_.served->name()));
  }

  /// Finds the place of a checkpoint and its loss, and frees it.
  void look_at(PathStop& stop) {
    ParameterBuffer<float>& weights = stop.loaded->weights->masters();
    stop.place = project(plane(), weights);
    stop.loss = loss_->loss(weights);
    stop.loaded.reset();
  }

  WeightPlane plane() const { return {*origin_, *first_, *second_}; }

  /// Sends the plane, and plans the points, the nearest to the middle first.
  void begin_reply() {
    alphas_ = axis(&PlanePlace::alpha);
    betas_ = axis(&PlanePlace::beta);
    Json json = model_.description();
    json["object"] = "valley";
    json["directions"] = request_.along_run ? "run" : "random";
    json["variance"] = variance_ ? Json(*variance_) : Json();
    json["tokens"] = batch_.targets.size();
    json["loss"] = finite(loss_->loss(*origin_));
    json["loss_of_chance"] = std::log(static_cast<double>(model_.view().vocab_size));
    json["alphas"] = alphas_;
    json["betas"] = betas_;
    json["path"] = path_json();
    json["left_out"] = left_out_;
    response_->begin(
        {.content_type = "text/event-stream", .body = event(json), .headers = {{"Cache-Control", "no-cache"}}});
    has_begun_ = true;
    plan_points();
  }

  Json path_json() const {
    Json path = Json::array();
    for (const PathStop& stop : path_) {
      path.push_back({{"step", stop.saved.step},
                      {"alpha", significant_json(stop.place.alpha, kPlaceDigits)},
                      {"beta", significant_json(stop.place.beta, kPlaceDigits)},
                      {"distance", significant_json(stop.place.distance, kPlaceDigits)},
                      {"length", significant_json(stop.place.length, kPlaceDigits)},
                      {"loss", finite(stop.loss)}});
    }
    return path;
  }

  /// Returns the numbers of an axis: around the origin, or around the path.
  std::vector<double> axis(double PlanePlace::*coordinate) const {
    if (!request_.along_run) return axis_around(0, request_.extent, request_.size);
    double from = path_.front().place.*coordinate, to = from;
    for (const PathStop& stop : path_) {
      from = std::min(from, stop.place.*coordinate);
      to = std::max(to, stop.place.*coordinate);
    }
    const double width = to > from ? to - from : 1;
    return axis_around((from + to) / 2, width * (0.5 + kMargin), request_.size);
  }

  void plan_points() {
    std::vector<std::pair<Index, Index>> points;  // row, column
    for (Index row = 0; row < request_.size; ++row) {
      for (Index column = 0; column < request_.size; ++column) points.emplace_back(row, column);
    }
    const auto distance = [middle = request_.size / 2](const std::pair<Index, Index>& point) {
      const Index down = point.first - middle, right = point.second - middle;
      return down * down + right * right;
    };
    std::ranges::stable_sort(points, {}, distance);
    for (const auto& point : points) {
      pieces_.add([this, row = point.first, column = point.second] { send_point(row, column); });
    }
    pieces_.add([this] {
      response_->write("data: [DONE]\n\n");
      response_->end();
    });
  }

  void send_point(Index row, Index column) {
    plane().write_point(alphas_[static_cast<std::size_t>(column)], betas_[static_cast<std::size_t>(row)], *point_);
    response_->write(event({{"row", row}, {"column", column}, {"loss", finite(loss_->loss(*point_))}}));
  }

  void refuse(const ApiError& error) {
    if (!has_begun_) return response_->send(error.reply());
    response_->write(event(error.json()));
    response_->end();
  }

  InspectedModel model_;
  ValleyRequest request_;
  std::shared_ptr<HttpResponse> response_;
  Batch batch_;
  RequestPieces pieces_;
  std::vector<PathStop> path_;
  std::size_t left_out_ = 0;  // checkpoints
  std::optional<ParameterBuffer<float>> origin_, first_, second_, point_;
  std::optional<BatchLoss> loss_;
  std::optional<std::array<double, 2>> variance_;  // the share along each direction of the run
  std::vector<double> alphas_, betas_;
  bool has_begun_ = false;  // the reply
};

}  // namespace

void begin_valley(PiecewiseWork& work, const InspectedModel& model, const ValleyRequest& request,
                  std::shared_ptr<HttpResponse> response) {
  const auto valley = std::make_shared<Valley>(model, request, std::move(response));
  work.add([valley] { return valley->do_piece(); });
}

}  // namespace kiln
