// Chooses the tokens by the text, the batch by the machine, the learning rate by the model's width.
#include "kiln/train/finetune.h"

#include "kiln/core/error.h"
#include "kiln/core/format.h"
#include "kiln/core/memory.h"
#include "kiln/core/report.h"
#include "kiln/data/conversation.h"
#include "kiln/data/corpus.h"
#include "kiln/data/dataset.h"
#include "kiln/data/encoded_conversations.h"
#include "kiln/data/source_files.h"
#include "kiln/nn/language_model.h"
#include "kiln/run/model_loader.h"
#include "kiln/run/run_directory.h"
#include "kiln/text/document.h"
#include "kiln/train/data_preview.h"
#include "kiln/train/plan.h"

#include "train/text_length.h"
#include <algorithm>
#include <cctype>
#include <cmath>

namespace kiln {
namespace {

namespace fs = std::filesystem;

constexpr Index kFewestTokens = 32;        // of training text
constexpr Index kLeastContext = 64;        // when memory is short
constexpr double kUsedMemory = 0.5;        // of the available memory
constexpr Index kMicroBatchTokens = 8192;  // at most; more are no faster
constexpr Index kMostTokensPerStep = 16'384;
constexpr double kAimedSteps = 200;
constexpr double kEvaluations = 10;
constexpr double kHeldOutConversations = 500;  // at most, and a tenth
constexpr double kWarmUpShare = 0.05;
constexpr double kLongestWarmUp = 100;
constexpr double kRateOfWidth128 = 2e-3;  // best, with 4e-3, on another text in three passes
constexpr double kNarrowing = 1.7;        // of the rate: 1e-4, the usual rate, at GPT-2's width
constexpr double kHighestRate = 5e-3, kLowestRate = 1e-5;
constexpr double kAdapterFactor = 10, kHighestAdapterRate = 1e-2;

double rounded(double value) { return std::stod(fmt::format("{:.1g}", value)); }

/// Counts a text's tokens, and sets the document separator and the held-out fraction in the config.
void read_text(Finetuning& f, const ModelSource& source, const Tokenizer& tokenizer) {
  DataConfig& data = f.config.data;
  {
    DataConfig whole = data;
    whole.validation_fraction = 0;
    const Corpus corpus(whole, {}, "--data");
    const auto bytes = static_cast<double>(bytes_of(corpus.train()));
    const bool separated =
        std::ranges::any_of(corpus.train(), [](std::string_view text) { return has_line(text, kEndOfText); });
    if (separated) data.document_separator = kEndOfText;
    data.validation_fraction = bytes > 0 ? rounded(std::min(0.1, kHeldOutBytes / bytes)) : 0;
  }
  const Corpus corpus(data, {}, "--data");
  const std::string odd_bytes = tokenizer.type() == "byte" ? "" : corpus.check_bytes();
  if (!odd_bytes.empty()) warn("{}", odd_bytes);
  const SpecialIds ids = special_ids(tokenizer, f.config.tokenizer, source.named);
  const TextLength length = estimate_length(corpus, tokenizer, ids.marks());
  f.tokens = static_cast<double>(length.train);
  f.held_out_tokens = static_cast<double>(length.validation);
}

/// Counts the tokens of conversations, and sets the objective and the held-out fraction in the config.
void read_chats(Finetuning& f, const ModelSource& source) {
  Config& config = f.config;
  config.objective.type = ObjectiveKind::sft;
  config.data.validation_fraction = 0;
  double conversations = 0;
  for (const ConversationSource& part : read_conversations(config.data, {}, "--data").train)
    conversations += static_cast<double>(part.conversations.size());
  config.data.validation_fraction = rounded(std::min(0.1, kHeldOutConversations / conversations));
  Config read = config;
  read.tokenizer.path = fs::absolute(source.text_folder()).string();
  const DataPreview preview = preview_data(read, 0, {});
  f.conversations = preview.census->conversations;
  f.tokens = static_cast<double>(preview.training_tokens);
  f.held_out_tokens = static_cast<double>(preview.held_out_tokens);
}

void read_data(Finetuning& f, const ModelSource& source, const std::string& model) {
  if (names_token_files(f.config.data, {}, "--data")) {
    const Dataset data = open_token_dataset(f.config.data, source.vocab_size);
    f.tokens = static_cast<double>(data.train.size());
    f.held_out_tokens = static_cast<double>(data.validation.size());
    return;
  }
  const std::unique_ptr<Tokenizer> tokenizer = own_tokenizer(source);
  check(tokenizer != nullptr,
        "{}: has no tokenizer for the text; kiln import {} --tokenizer FOLDER --run DIR gives it one", model, model);
  const DataConfig& data = f.config.data;
  const bool are_chats = holds_conversations(find_source_files(data.train, "--data", {}, data.include).files.front());
  return are_chats ? read_chats(f, source) : read_text(f, source, *tokenizer);
}

std::uint64_t memory_of(const Config& config, Index vocab_size, Index windows) {
  return plan_memory(config, LanguageModel<float>(config.model, vocab_size), windows).total();
}

/// Chooses the windows of a micro-batch. If not even one fits, recomputes activations, then shortens the context.
Index choose_micro_batch(Config& config, Index vocab_size, double available) {
  const double budget = kUsedMemory * available;
  const auto fits = [&](Index windows) {
    return static_cast<double>(memory_of(config, vocab_size, windows)) <= budget;
  };
  if (!fits(1)) config.train.recompute = Recompute::block;
  while (!fits(1) && config.model.n_ctx / 2 >= kLeastContext) config.model.n_ctx /= 2;
  Index windows = 1;
  while (2 * windows * config.model.n_ctx <= kMicroBatchTokens && fits(2 * windows)) windows *= 2;
  return windows;
}

/// Returns the greatest power of two up to `limit`, at least 1.
Index power_of_two(double limit) {
  return static_cast<Index>(std::exp2(std::max(0.0, std::floor(std::log2(std::max(limit, 1.0))))));
}

void set_length(Finetuning& f, const FinetuningRequest& request, Index micro_batch) {
  Config& config = f.config;
  const double by_time = request.seconds ? *request.seconds * f.tokens_per_second : 0;
  const double total = request.seconds ? by_time : kFinetuningPasses * f.tokens;
  f.passes = total / f.tokens;
  const auto n_ctx = static_cast<double>(config.model.n_ctx);
  const double aimed = std::min(total / kAimedSteps, static_cast<double>(kMostTokensPerStep));
  const Index windows = power_of_two(std::min(aimed, f.tokens) / n_ctx);
  const Index together = std::min(windows, micro_batch);
  config.train.batch_size = CountOrAll{.count = together};
  config.train.gradient_accumulation = windows / together;
  f.tokens_per_step = windows * config.model.n_ctx;
  f.steps = std::max(1.0, std::ceil(total / static_cast<double>(f.tokens_per_step)));
  if (request.seconds) {
    config.train.time_budget = Duration{*request.seconds};
  } else {
    config.train.epochs = kFinetuningPasses;
  }
}

void set_course(Finetuning& f) {
  Config& config = f.config;
  const double rate = kRateOfWidth128 * std::pow(128.0 / static_cast<double>(config.model.d_model), kNarrowing);
  config.optimizer.type = OptimizerKind::adamw;
  config.optimizer.learning_rate = rounded(std::clamp(rate, kLowestRate, kHighestRate));
  config.schedule.type = ScheduleKind::linear;
  config.schedule.min_ratio = 0;
  config.schedule.warmup_steps =
      static_cast<std::int64_t>(std::clamp(std::round(kWarmUpShare * f.steps), 1.0, kLongestWarmUp));
  config.train.eval_every = static_cast<std::int64_t>(std::max(1.0, std::round(f.steps / kEvaluations)));
  config.train.checkpoint_every = config.train.eval_every;
  config.train.keep_checkpoints = 0;
  config.train.log_every = std::clamp<std::int64_t>(config.train.eval_every / 4, 1, 10);
}

/// Returns the run or folder that names a model: "runs/tales" for "runs/tales/checkpoints/step-00000100".
fs::path named_folder(const fs::path& model) {
  const fs::path folder = fs::weakly_canonical(model);
  const RunPaths run{folder.parent_path().parent_path()};
  return folder.parent_path() == run.checkpoints() ? run.root : folder;
}

}  // namespace

Finetuning propose_finetuning(const FinetuningRequest& request, const std::function<void(double)>& progress) {
  const auto tell = [&](double share) {
    if (progress) progress(share);
  };
  Finetuning f;
  Config& config = f.config;
  const ModelSource source = open_model(request.model);
  require_kind(source, ModelKind::language);
  config.init_from = request.model;
  config.model = source.model;
  config.tokenizer.vocab_size = source.vocab_size;
  config.data = request.data;
  config.train.precision = Precision::automatic;
  read_data(f, source, request.model);
  check(f.tokens >= kFewestTokens, "{}: {} to train on; at least {} are needed", request.data.train.front(),
        counted(std::llround(f.tokens), "token"), format_count(kFewestTokens));
  tell(0.3);
  const Index own_context = config.model.n_ctx;
  if (f.conversations == 0) config.model.n_ctx = std::min(own_context, static_cast<Index>(f.tokens) - 1);
  if (f.held_out_tokens < 2) config.data.validation_fraction = 0;
  config.train.steps = 1;  // the plan below measures one step; set_length sets the length of the run
  const Index micro_batch =
      choose_micro_batch(config, source.vocab_size, static_cast<double>(available_memory_bytes()));
  config.train.batch_size = CountOrAll{.count = micro_batch};
  Config timed = config;  // without the data, which are already counted
  timed.data.train.clear();
  timed.objective = {};
  timed.train.eval_every = 0;
  const Plan plan = make_plan(timed);
  tell(1);
  config.train.steps = std::nullopt;
  if (config.model.n_ctx < own_context) f.shortened_from = own_context;
  f.parameters = plan.parameters.total;
  f.tokens_per_second = plan.tokens_per_second;
  set_length(f, request, micro_batch);
  set_course(f);
  f.memory_bytes = memory_of(config, source.vocab_size, config.train.batch_size.count);
  config.name = finetuning_name(request.model, request.data.train.front());
  return f;
}

void choose_adapter_rate(Finetuning& finetuning) {
  double& rate = finetuning.config.optimizer.learning_rate;
  rate = std::min(rounded(kAdapterFactor * rate), kHighestAdapterRate);
}

std::string finetuning_name(const std::string& model, const std::string& data) {
  return name_of_path(named_folder(model).string()) + "-" + name_of_path(data);
}

std::string name_of_path(const std::string& path) {
  fs::path named = fs::path(path).lexically_normal();
  if (named.filename().empty()) named = named.parent_path();  // "texts/"
  while (named.filename().string().find_first_of("*?[") != std::string::npos) named = named.parent_path();
  std::string name = named.stem().string();
  for (char& c : name) {
    if (std::isalnum(static_cast<unsigned char>(c)) == 0 && c != '-' && c != '_') c = '-';
  }
  return name.find_first_not_of('-') == std::string::npos ? "run" : name;
}

}  // namespace kiln
