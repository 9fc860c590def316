// Runs the reference over the answers; keeps its results as JSON, whose numbers are exact.
#include "train/reference.h"

#include "kiln/core/error.h"
#include "kiln/core/file.h"
#include "kiln/core/json.h"
#include "kiln/core/report.h"
#include "kiln/data/packed_batches.h"

#include <nlohmann/json.hpp>

#include "train/shared_batches.h"
#include <limits>
#include <string>
#include <utility>

namespace kiln {
namespace {

Json to_json(const ReferenceKey& key) {
  return {{"model", hex(key.model)},
          {"answers", hex(key.answers)},
          {"precision", kPrecisions[static_cast<std::size_t>(key.precision)]}};
}

/// log p of an answer of a batch.
struct AnswerLogProb {
  Index batch = 0;
  double log_prob = 0;
};

}  // namespace

std::vector<double> answer_log_probs(const ModelView& model, const std::shared_ptr<const EncodedPreferences>& examples,
                                     Index rows, World& world) {
  if (examples->size() == 0) return {};
  const PackedEvaluation source(examples, rows, std::numeric_limits<Index>::max());
  const auto runner = model.make_runner({.rows = rounded_up_rows(rows), .scored = rows});
  Work work("scoring by the reference", static_cast<double>(source.tokens()), "tokens");
  Batch batch;
  std::vector<float> losses;
  std::vector<AnswerLogProb> own;
  const auto show = [&](double share) { work.set_share(share); };
  share_batches(world, source, show, [&](Index i) {
    source.fill(i, batch);
    losses.resize(batch.targets.size());
    runner->forward(model.weights, batch.rows);
    runner->score(batch.scored_targets(), Vec<float>(losses.data(), std::ssize(losses)));
    std::size_t m = 0;
    for (const Sequence& sequence : batch.rows.sequences) {
      AnswerLogProb& answer = own.emplace_back(AnswerLogProb{.batch = i});
      for (; m < losses.size() && batch.scored[m] < sequence.row + sequence.length; ++m) {
        answer.log_prob -= static_cast<double>(losses[m]);
      }
    }
  });
  std::vector<double> log_probs;
  for (const AnswerLogProb& answer : in_order(world, own)) log_probs.push_back(answer.log_prob);
  return log_probs;
}

void write_reference(const std::filesystem::path& file, const ReferenceKey& key, const ReferenceLogProbs& log_probs) {
  Json json = to_json(key);
  json["log_probs"] = log_probs.train;
  json["held_out_log_probs"] = log_probs.held_out;
  make_directories(file.parent_path());
  write_file_atomically(file, json.dump() + "\n");
}

std::optional<ReferenceLogProbs> read_reference(const std::filesystem::path& file, const ReferenceKey& key,
                                                Index answers, Index held_out) {
  if (!path_exists(file)) return std::nullopt;
  try {
    const Json json = read_json_object(file), wanted = to_json(key);
    for (const auto& [name, value] : wanted.items()) {
      if (json.value(name, "") != value) return std::nullopt;
    }
    ReferenceLogProbs log_probs{json.at("log_probs").get<std::vector<double>>(),
                                json.at("held_out_log_probs").get<std::vector<double>>()};
    if (std::ssize(log_probs.train) == answers && std::ssize(log_probs.held_out) == held_out) return log_probs;
    warn("{}: holds log p of too few answers; it is computed again", file.string());
  } catch (const Error& error) {
    warn("{}: log p of the reference is computed again", error.what());
  } catch (const Json::exception&) {
    warn("{}: does not hold log p of a reference, which is computed again", file.string());
  }
  return std::nullopt;
}

}  // namespace kiln
