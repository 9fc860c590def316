// Chooses vocabulary, shape, context and batch together for the time, and dropout by the pressure to memorise.
#include "kiln/train/proposal.h"

#include "kiln/core/contention.h"
#include "kiln/core/error.h"
#include "kiln/core/format.h"
#include "kiln/core/memory.h"
#include "kiln/core/report.h"
#include "kiln/core/stopwatch.h"
#include "kiln/data/corpus.h"
#include "kiln/data/repeats.h"
#include "kiln/train/evaluate.h"

#include "train/choice.h"
#include "train/text_length.h"
#include "train/vocabulary_options.h"
#include <algorithm>
#include <array>
#include <cmath>
#include <optional>

namespace kiln {
namespace {

constexpr double kShortestSeconds = 10;         // of training
constexpr double kFewestOfModel = 100;          // steps; a model with fewer is too large
constexpr std::uint64_t kFewestBytes = 10'000;  // of text
constexpr double kEvaluationShare = 0.04;       // of the time
constexpr double kMostEvaluations = 20;
constexpr std::size_t kWorseShapes = 2;  // larger and worse ones than the best, after which the search ends
constexpr Index kMeasuredEntries = 8192;
constexpr const char* kSeparator = "<|endoftext|>";

/// The dropout that was best from a pressure on, in trials on Tiny Shakespeare (bench/README.md).
struct DropoutStep {
  double least_pressure, dropout;
};
constexpr std::array kDropoutSteps{DropoutStep{150, 0.2}, DropoutStep{32, 0.1}, DropoutStep{0, 0.0}};

/// Reads the text, sets its facts in the config, and measures how well vocabularies compress it.
TextFacts read_text(Config& config, std::vector<VocabularyOption>& vocabularies) {
  TextFacts text;
  {
    DataConfig whole = config.data;
    whole.validation_fraction = 0;
    const Corpus corpus(whole, {}, "--data");
    text.sources = corpus.train_files();
    inform("--data: {}", describe_files(text.sources));
    const std::uint64_t bytes = bytes_of(corpus.train());
    check(bytes >= kFewestBytes, "{}: {} of text; at least {} are needed to learn from", config.data.train.front(),
          format_bytes(static_cast<double>(bytes)), format_bytes(static_cast<double>(kFewestBytes)));
    const bool separated =
        std::ranges::any_of(corpus.train(), [](std::string_view text) { return has_line(text, kSeparator); });
    if (separated) config.data.document_separator = kSeparator;
    const double share = std::min(0.1, kHeldOutBytes / static_cast<double>(bytes));
    config.data.validation_fraction = std::stod(fmt::format("{:.1g}", share));
  }
  const Corpus corpus(config.data, {}, "--data");
  if (const std::string odd_bytes = corpus.check_bytes(); !odd_bytes.empty()) warn("{}", odd_bytes);
  for (const std::string& warning : find_repeats(corpus)) warn("{}", warning);
  text.bytes = bytes_of(corpus.train());
  text.documents = corpus.train().size() + corpus.validation().size() - 1;  // the split cuts one in two
  text.separator = config.data.document_separator;
  text.validation_fraction = config.data.validation_fraction;
  vocabularies = vocabulary_options(config.tokenizer, sample_of(corpus.train(), kSampleBytes));
  return text;
}

/// Returns a model with Llama's architecture, which other tools read, and the best training recipe at these sizes.
Config recipe() {
  Config config;
  config.model.activation = Activation::swiglu;
  config.model.norm = NormKind::rmsnorm;
  config.model.position = PositionKind::rope;
  config.model.bias = false;
  config.model.init.zero_residual_projections = true;
  config.optimizer.type = OptimizerKind::muon;
  config.schedule.type = ScheduleKind::wsd;
  config.schedule.warmup_steps = 20;
  config.schedule.min_ratio = 0;
  config.schedule.decay_fraction = 0.6;
  config.train.precision = Precision::automatic;
  return config;
}

/// The share of the measurements that is done: the time spent over that plus the estimated time of the remaining
/// shapes, by the speed of the last one. Never falls.
class MeasuringProgress {
 public:
  explicit MeasuringProgress(const std::function<void(double)>& tell) : tell_(tell) {}

  /// Estimates the time of the shapes from `next` on, up to the first that has too few steps in `seconds` of training.
  void expect(std::size_t next, double seconds_per_operation, double seconds) {
    remaining_ = 0;
    for (std::size_t i = next; i < kShapes.size(); ++i) {
      const double step = operations(kShapes[i]) * seconds_per_operation;
      remaining_ += 2 * std::max(kTimingSeconds, kTimedSteps * step);
      if (seconds / step < kFewestOfModel) break;
    }
    begun_ = stopwatch_.seconds();
    if (!left_) left_ = remaining_;
  }

  void tick() {
    if (!tell_ || !left_) return;
    const double spent = stopwatch_.seconds();
    left_ = std::clamp(remaining_ - (spent - begun_), kSlowest * *left_, *left_);  // never rises
    tell_(spent / (spent + *left_));
  }

  /// Returns about the operations of a step.
  static double operations(const Shape& shape) {
    const auto C = static_cast<double>(shape.d_model);
    return static_cast<double>(shape.n_ctx * shape.batch_size) *
           (12 * static_cast<double>(shape.n_layers) * C * C + kMeasuredEntries * C);
  }

 private:
  static constexpr double kTimingSeconds = 0.3, kTimedSteps = 3, kSlowest = 0.9;

  const std::function<void(double)>& tell_;
  Stopwatch stopwatch_;
  double remaining_ = 0, begun_ = 0;
  std::optional<double> left_;  // null until a shape was timed
};

bool better(const Candidate& a, const Candidate& b) { return a.expected_bits < b.expected_bits; }

/// Times shapes, cheapest first, until larger ones are expected to be worse.
void choose(const ProposalRequest& request, const std::vector<VocabularyOption>& vocabularies,
            const std::function<void(double)>& progress, Proposal& proposal) {
  const Circumstances circumstances{proposal.text, vocabularies, request.seconds * (1 - kEvaluationShare)};
  MeasuringProgress measuring(progress);
  for (std::size_t i = 0; i < kShapes.size(); ++i) {
    const Shape& shape = kShapes[i];
    Config config = proposal.config;
    set_shape(config, shape);
    if (!fits_into_memory(config, kMeasuredEntries)) return;
    const StepCost cost = measure_step_cost(config, [&] { measuring.tick(); });
    const double step = cost.seconds(kMeasuredEntries, shape.n_ctx, shape.batch_size);
    measuring.expect(i + 1, step / MeasuringProgress::operations(shape), request.seconds);
    std::vector<Candidate> of_shape = candidates_of(config, shape, cost, circumstances);
    if (of_shape.empty()) return;
    const Candidate& candidate = *std::ranges::min_element(of_shape, better);
    if (candidate.steps() < kFewestOfModel && i > 0) return;
    proposal.candidates.push_back(candidate);
    if (i == 0 || better(candidate, proposal.choice())) {
      proposal.chosen = i;
      proposal.vocabularies = std::move(of_shape);
    }
    if (i >= proposal.chosen + kWorseShapes) return;
  }
}

double suitable_dropout(const Candidate& choice) {
  const auto suits = [&](const DropoutStep& step) { return choice.pressure >= step.least_pressure; };
  return std::ranges::find_if(kDropoutSteps, suits)->dropout;
}

/// Returns the steps between evaluations, whose total takes a small share of the time.
std::int64_t evaluation_interval(const Candidate& choice, const TextFacts& text, double seconds) {
  const double held_out =
      text.tokens(choice.vocabulary.bytes_per_token) * text.validation_fraction / (1 - text.validation_fraction);
  const double evaluation_seconds = held_out / (kForwardSpeed * choice.tokens_per_second);
  const double evaluations =
      std::clamp(std::floor(kEvaluationShare * seconds / evaluation_seconds), 1.0, kMostEvaluations);
  const double interval = std::max(choice.steps() / evaluations, 1.0);
  const double rounded = std::stod(fmt::format("{:.1g}", interval));
  return static_cast<std::int64_t>(std::min(rounded, std::max(choice.steps(), 1.0)));  // at most the last step
}

}  // namespace

Proposal propose(const ProposalRequest& request, const std::function<void(double)>& progress) {
  check(request.seconds >= kShortestSeconds, "{} of training: at least {} are needed", format_duration(request.seconds),
        format_duration(kShortestSeconds));
  const Contention contention;
  Proposal proposal;
  Config& config = proposal.config;
  config = recipe();
  config.data.train = request.data;
  config.data.include = request.include;
  config.data.text_field = request.text_field;
  std::vector<VocabularyOption> vocabularies;
  proposal.text = read_text(config, vocabularies);
  choose(request, vocabularies, progress, proposal);
  proposal.waited_share = contention.waited_share();
  check(!proposal.candidates.empty(), "not even the smallest model fits into {:.0f}% of the {} of memory that are left",
        100 * kMemoryShare, format_bytes(static_cast<double>(available_memory_bytes())));
  const Candidate& choice = proposal.choice();
  check(choice.steps() >= 1, "{} of training: too short for one step of the smallest model",
        format_duration(request.seconds));
  set_shape(config,
            {choice.model.n_layers, choice.model.d_model, choice.model.n_heads, choice.model.n_ctx, choice.batch_size});
  config.tokenizer.vocab_size = choice.vocabulary.size;
  config.model.dropout = suitable_dropout(choice);
  config.train.time_budget = Duration{request.seconds};
  config.train.eval_every = evaluation_interval(choice, proposal.text, request.seconds);
  config.train.checkpoint_every = config.train.eval_every;
  return proposal;
}

}  // namespace kiln
