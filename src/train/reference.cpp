// Runs the reference over the answers; keeps its results as JSON, whose numbers are exact.
#include "train/reference.h"

#include "kiln/core/error.h"
#include "kiln/core/file.h"
#include "kiln/core/json.h"
#include "kiln/core/report.h"
#include "kiln/data/packed_batches.h"

#include <nlohmann/json.hpp>

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

}  // namespace

std::vector<double> answer_log_probs(const ModelView& model, const std::shared_ptr<const EncodedPreferences>& examples,
                                     Index rows) {
  std::vector<double> log_probs;
  if (examples->size() == 0) return log_probs;
  const PackedEvaluation source(examples, rows, std::numeric_limits<Index>::max());
  const auto runner = model.make_runner({.rows = rounded_up_rows(rows), .scored = rows});
  Work work("scoring by the reference", static_cast<double>(source.tokens()), "tokens");
  Batch batch;
  std::vector<float> losses;
  for (Index i = 0; i < source.size(); ++i) {
    source.fill(i, batch);
    losses.resize(batch.targets.size());
    runner->forward(model.weights, batch.rows);
    runner->score(batch.scored_targets(), Vec<float>(losses.data(), std::ssize(losses)));
    std::size_t m = 0;
    for (const Sequence& sequence : batch.rows.sequences) {
      double sum = 0;
      for (; m < losses.size() && batch.scored[m] < sequence.row + sequence.length; ++m) {
        sum -= static_cast<double>(losses[m]);
      }
      log_probs.push_back(sum);
    }
    work.add(static_cast<double>(rows_in(batch.rows.sequences)));
  }
  return log_probs;
}

void write_reference(const std::filesystem::path& file, const ReferenceKey& key, const ReferenceLogProbs& log_probs) {
  Json json = to_json(key);
  json["log_probs"] = log_probs.train;
  json["held_out_log_probs"] = log_probs.held_out;
  make_directories(file.parent_path());
  write_file_atomically(file, json.dump() + "\n");
}

std::optional<ReferenceLogProbs> read_reference(const std::filesystem::path& file, const ReferenceKey& key) {
  if (!path_exists(file)) return std::nullopt;
  try {
    const Json json = read_json_object(file), wanted = to_json(key);
    for (const auto& [name, value] : wanted.items()) {
      if (json.value(name, "") != value) return std::nullopt;
    }
    return ReferenceLogProbs{json.at("log_probs").get<std::vector<double>>(),
                             json.at("held_out_log_probs").get<std::vector<double>>()};
  } catch (const Error& error) {
    warn("{}: log p of the reference is computed again", error.what());
  } catch (const Json::exception&) {
    warn("{}: does not hold log p of a reference, which is computed again", file.string());
  }
  return std::nullopt;
}

}  // namespace kiln
