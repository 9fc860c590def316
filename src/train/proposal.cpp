// The text decides on the tokenizer, the clock on the model, the number of passes on what keeps it from learning by
// heart.
#include "kiln/train/proposal.h"

#include "kiln/core/error.h"
#include "kiln/core/format.h"
#include "kiln/core/memory.h"
#include "kiln/core/threads.h"
#include "kiln/data/corpus.h"
#include "kiln/data/repeats.h"
#include "kiln/nn/language_model.h"
#include "kiln/text/tokenizer.h"
#include "kiln/train/plan.h"
#include "kiln/train/scaling_law.h"
#include "kiln/train/timing.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace kiln {
namespace {

constexpr double kShortestSeconds = 10;          // of training: less is not worth a choice
constexpr double kFewestSteps = 100;             // a model that cannot take as many is too large
constexpr std::size_t kSampleBytes = 2'000'000;  // of text that the tokenizer is tried on
constexpr double kHeldOutBytes = 2e6;            // at most, and a tenth of the text
constexpr std::uint64_t kFewestBytes = 10'000;   // of text
constexpr double kMemoryShare = 0.5;             // share of what is available
constexpr double kEvaluationShare = 0.04;        // of the time
constexpr double kForwardSpeed = 2.5;            // tokens evaluated in the time of one trained
constexpr double kMostEvaluations = 20;
constexpr const char* kSeparator = "<|endoftext|>";

/// What dropout has paid from which pressure on, in trials on Tiny Shakespeare (bench/README.md).
struct DropoutStep {
  double least_pressure, dropout;
};
constexpr std::array kDropoutSteps{DropoutStep{150, 0.2}, DropoutStep{32, 0.1}, DropoutStep{0, 0.0}};

/// Sizes to choose from: each takes two to three times the computation a token of the one before.
struct Shape {
  Index n_layers, d_model, n_heads, n_ctx, batch_size;
};
constexpr std::array kShapes{
    Shape{4, 64, 2, 128, 32},      Shape{4, 96, 3, 128, 32},    Shape{4, 128, 4, 128, 32},
    Shape{4, 192, 6, 128, 32},     Shape{6, 256, 4, 256, 16},   Shape{6, 384, 6, 256, 32},
    Shape{8, 512, 8, 512, 16},     Shape{12, 768, 12, 512, 32}, Shape{16, 1024, 16, 1024, 16},
    Shape{24, 1536, 24, 1024, 32},
};

std::uint64_t bytes_of(const Documents& documents) {
  std::uint64_t bytes = 0;
  for (const std::string_view document : documents) bytes += document.size();
  return bytes;
}

/// The power of two nearest to 2048 entries for a megabyte of text, growing as its root.
std::int64_t suitable_vocab_size(std::uint64_t bytes) {
  const double entries = 2048 * std::sqrt(static_cast<double>(bytes) / 1e6);
  return static_cast<std::int64_t>(std::exp2(std::clamp(std::round(std::log2(entries)), 9.0, 15.0)));
}

/// The first bytes of the text; the last document may be cut.
Documents sample_of(const Documents& documents) {
  Documents sample;
  std::size_t bytes = 0;
  for (const std::string_view document : documents) {
    if (bytes >= kSampleBytes) break;
    sample.push_back(document.substr(0, kSampleBytes - bytes));
    bytes += sample.back().size();
  }
  return sample;
}

double bytes_per_token(const TokenizerConfig& config, const Documents& sample) {
  const std::unique_ptr<Tokenizer> tokenizer = make_tokenizer(config, sample);
  std::size_t tokens = 0;
  for (const std::string_view document : sample) tokens += tokenizer->encode(document).size();
  return static_cast<double>(bytes_of(sample)) / static_cast<double>(tokens);
}

/// Reads the text, and puts what is known of it into the config.
TextFacts read_text(Config& config) {
  TextFacts text;
  {
    DataConfig whole = config.data;
    whole.validation_fraction = 0;
    const Corpus corpus(whole, {}, "--data");
    text.sources = corpus.train_files();
    spdlog::info("--data: {}", describe_files(text.sources));
    const std::uint64_t bytes = bytes_of(corpus.train());
    check(bytes >= kFewestBytes, "{}: {} of text; at least {} are needed to learn from", config.data.train.front(),
          format_bytes(static_cast<double>(bytes)), format_bytes(static_cast<double>(kFewestBytes)));
    const bool separated =
        std::ranges::any_of(corpus.train(), [](std::string_view text) { return has_line(text, kSeparator); });
    if (separated) config.data.document_separator = kSeparator;
    const double share = std::min(0.1, kHeldOutBytes / static_cast<double>(bytes));
    config.data.validation_fraction = std::stod(fmt::format("{:.1g}", share));
    text.vocab_size = suitable_vocab_size(bytes);
  }
  const Corpus corpus(config.data, {}, "--data");
  if (corpus.file_unlike_text()) spdlog::warn("{}", zero_bytes_warning(corpus));
  for (const std::string& warning : find_repeats(corpus)) spdlog::warn("{}", warning);
  text.bytes = bytes_of(corpus.train());
  text.documents = corpus.train().size() + corpus.validation().size() - 1;  // the cut halves one
  text.separator = config.data.document_separator;
  text.validation_fraction = config.data.validation_fraction;
  config.tokenizer.vocab_size = text.vocab_size;
  text.bytes_per_token = bytes_per_token(config.tokenizer, sample_of(corpus.train()));
  return text;
}

/// A model in the shape of Llama, which other tools read, trained by the recipe that has won at these sizes.
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

/// Rates that suit a width of 128, lower for wider models.
void set_learning_rates(OptimizerConfig& optimizer, Index d_model) {
  const auto rounded = [](double rate) { return std::stod(fmt::format("{:.1g}", rate)); };
  const double narrowing = 128.0 / static_cast<double>(d_model);
  optimizer.muon_learning_rate = rounded(0.05 * std::min(1.0, std::sqrt(narrowing)));
  optimizer.learning_rate = rounded(5e-3 * std::min(1.0, narrowing));
}

void set_shape(Config& config, const Shape& shape) {
  config.model.n_layers = shape.n_layers;
  config.model.d_model = shape.d_model;
  config.model.n_heads = shape.n_heads;
  config.model.n_ctx = shape.n_ctx;
  config.train.batch_size = CountOrAll{.count = shape.batch_size};
  set_learning_rates(config.optimizer, shape.d_model);
}

/// Nothing for a model that does not fit into memory.
std::optional<Candidate> measure(Config config, const TextFacts& text, double seconds) {
  config.model.resolve();
  const LanguageModel<float> model(config.model, text.vocab_size);
  const BatchSizes sizes = BatchSizes::of(config, config.train.batch_size.count);
  const auto memory = static_cast<double>(plan_memory(config, model, sizes.windows_per_micro_batch).total());
  if (memory > kMemoryShare * static_cast<double>(available_memory_bytes())) return std::nullopt;
  Candidate candidate{
      .model = config.model, .batch_size = config.train.batch_size.count, .parameters = model.layout.count()};
  const double step = time_steps(config, text.vocab_size, sizes, {.seconds = 0.3, .least = 2}).median();
  candidate.tokens_per_second = static_cast<double>(candidate.tokens_per_step()) / step;
  candidate.tokens = candidate.tokens_per_second * seconds * (1 - kEvaluationShare);
  candidate.passes = candidate.tokens / text.tokens();
  const auto parameters = static_cast<double>(candidate.parameters);
  candidate.pressure = candidate.passes * parameters / text.tokens();
  candidate.expected_loss = expected_loss(parameters, kTokenWorth * candidate.tokens, kTokenWorth * text.tokens());
  return candidate;
}

double suitable_dropout(const Candidate& choice) {
  const auto suits = [&](const DropoutStep& step) { return choice.pressure >= step.least_pressure; };
  return std::ranges::find_if(kDropoutSteps, suits)->dropout;
}

/// Steps between evaluations: as many of these as a small share of the time is enough for.
std::int64_t evaluation_interval(const Candidate& choice, const TextFacts& text, double seconds) {
  const double held_out = text.tokens() * text.validation_fraction / (1 - text.validation_fraction);
  const double evaluation_seconds = held_out / (kForwardSpeed * choice.tokens_per_second);
  const double evaluations =
      std::clamp(std::floor(kEvaluationShare * seconds / evaluation_seconds), 1.0, kMostEvaluations);
  const double interval = std::max(choice.steps() / evaluations, 1.0);
  const double rounded = std::stod(fmt::format("{:.1g}", interval));
  return static_cast<std::int64_t>(std::min(rounded, std::max(choice.steps(), 1.0)));  // no later than the last step
}

}  // namespace

Proposal propose(const ProposalRequest& request, const std::function<void(double)>& progress) {
  check(request.seconds >= kShortestSeconds, "{} of training: at least {} are needed", format_duration(request.seconds),
        format_duration(kShortestSeconds));
  Proposal proposal;
  Config& config = proposal.config;
  config = recipe();
  config.data.train = request.data;
  config.data.include = request.include;
  config.data.text_field = request.text_field;
  proposal.text = read_text(config);
  for (std::size_t i = 0; i < kShapes.size(); ++i) {
    if (progress) progress(static_cast<double>(i) / kShapes.size());
    set_shape(config, kShapes[i]);
    const std::optional<Candidate> candidate = measure(config, proposal.text, request.seconds);
    if (!candidate || (candidate->steps() < kFewestSteps && !proposal.candidates.empty())) break;
    proposal.candidates.push_back(*candidate);
    const bool better = candidate->expected_loss < proposal.choice().expected_loss;
    if (better) proposal.chosen = i;
    if (i >= proposal.chosen + 2) break;  // two larger ones were worse
  }
  check(!proposal.candidates.empty(), "not even the smallest model fits into {:.0f}% of the {} of memory that are left",
        100 * kMemoryShare, format_bytes(static_cast<double>(available_memory_bytes())));
  const Candidate& choice = proposal.choice();
  check(choice.steps() >= 1, "{} of training: not one step of the smallest model fits in",
        format_duration(request.seconds));
  set_shape(config, kShapes[proposal.chosen]);
  config.model.dropout = suitable_dropout(choice);
  config.train.time_budget = Duration{request.seconds};
  config.train.eval_every = evaluation_interval(choice, proposal.text, request.seconds);
  config.train.checkpoint_every = config.train.eval_every;
  return proposal;
}

}  // namespace kiln
