// Prepares a run, with cheap checks before the parts that take time or memory.
#include "train/training_parts.h"

#include "kiln/core/error.h"
#include "kiln/core/file.h"
#include "kiln/core/format.h"
#include "kiln/core/report.h"
#include "kiln/core/threads.h"
#include "kiln/interop/peft.h"
#include "kiln/nn/init.h"
#include "kiln/run/checkpoint_store.h"
#include "kiln/run/init_from.h"
#include "kiln/run/model_loader.h"
#include "kiln/text/document.h"
#include "kiln/train/plan.h"

#include <nlohmann/json.hpp>

#include "train/policy_evaluator.h"
#include "train/rank_agreement.h"
#include "train/reference.h"
#include "train/rollouts.h"
#include <algorithm>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace kiln {
namespace {

namespace fs = std::filesystem;

/// Refuses changes that bind the run, and logs the others. Keeps the run's token names where the config has none.
void compare_with_checkpoint(Config& config, const fs::path& checkpoint) {
  const Config before = read_checkpoint_config(checkpoint).config;
  TokenizerConfig& names = config.tokenizer;
  if (!names.start_of_text) names.start_of_text = before.tokenizer.start_of_text;
  if (!names.end_of_text) names.end_of_text = before.tokenizer.end_of_text;
  if (!config.chat.kind()) config.chat = before.chat;
  const std::vector<Difference> differences = diff(before, config);
  std::vector<std::string> refused{
      fmt::format("{}: the config changes what must stay the same within a run:", checkpoint.string())};
  for (const Difference& difference : differences) {
    const bool is_base = difference.pointer == "/seed" && config.model.lora.is_on() && !config.init_from;
    if (difference.binds_run() || is_base) refused.push_back("  " + to_string(difference));
  }
  if (refused.size() > 1) {
    refused.emplace_back("set these back, or start another run with --run DIR or --overwrite");
    fail_lines(ExitCode::usage, refused);
  }
  for (const Difference& difference : differences) inform("changed since the checkpoint: {}", to_string(difference));
}

/// Refuses to continue with other tokens unless `retokenize`: order of windows and held-out part would differ.
void check_same_data(TrainingParts& p, bool retokenize) {
  TrainerState& state = p.state;
  const std::uint64_t digest = p.data.digest;
  const std::uint64_t before = std::exchange(state.data_digest, digest);
  if (!p.resumed_from || before == 0 || before == digest) return;
  check(retokenize,
        "{}: was trained on other data than data.train and data.validation give now ({}, {} held out): a file "
        "was changed, added or removed; restore the data, continue with the data as it is by --retokenize, or start "
        "another run with --run DIR or --overwrite",
        p.resumed_from->string(), counted(p.data.training_tokens, "token"), format_count(p.data.held_out_tokens));
  state.best_loss.reset();  // of other text
  state.validation_loss.reset();
  state.best_step = state.evaluations_since_best = 0;
  warn("step {}: the run continues with other data ({}, {} held out); its best validation loss counts from here",
       state.step, counted(p.data.training_tokens, "token"), format_count(p.data.held_out_tokens));
}

/// Returns the rows of the embedding: those of the run's checkpoint; else those of the initial model, or more if the
/// chat template added tokens; else the tokenizer's entries.
Index vocab_size_of(const TrainingParts& p, const std::optional<ModelSource>& base) {
  if (p.resumed_from) return read_checkpoint_config(*p.resumed_from).vocab_size;
  const Index entries = p.data.tokenizer->vocab_size();
  if (!base) return entries;
  if (p.data.chat) return std::max(base->vocab_size, entries);
  check_tokenizer_fits(*p.data.tokenizer, base->vocab_size, *p.config.init_from);
  return base->vocab_size;
}

TrainingLength training_length_of(const TrainConfig& train, BatchSource& batches) {
  if (train.time_budget) return TrainingLength::after_seconds(train.time_budget->seconds);
  return TrainingLength::after_steps(train.steps ? *train.steps : batches.steps_of_epochs(*train.epochs));
}

void warn_of_long_warmup(const Config& config, double total_steps) {
  if (static_cast<double>(config.schedule.warmup_steps) <= total_steps) return;
  warn("schedule.warmup_steps {} is longer than the run of {}: the learning rate rises until the last step; lower it",
       config.schedule.warmup_steps, counted(std::llround(total_steps), "step"));
}

/// Logs differences of the machine that change the bits of a resumed run, and stores the new state.
void note_machine(TrainingParts& p, Precision precision) {
  TrainerState& state = p.state;
  const int ranks = std::exchange(state.ranks, p.world->size());
  if (p.resumed_from && ranks != state.ranks && !p.config.distributed.leaves) {
    warn(
        "the checkpoint was made by {}, the run continues with {}: results will differ in their last bits; "
        "distributed.leaves avoids that",
        counted(ranks, "rank"), state.ranks);
  }
  const Precision before = std::exchange(state.precision, precision);
  if (before != Precision::automatic && before != precision) {
    warn("the checkpoint was made in {}, the run continues in {}; train.precision chooses", name_of(before),
         name_of(precision));
  }
  state.seed = p.config.seed;
  state.threads = threads();
}

/// Refuses a template that renders otherwise than the run's did.
void check_same_template(TrainingParts& p) {
  const std::uint64_t hash = p.data.chat ? p.data.chat->hash() : 0;
  const std::uint64_t before = std::exchange(p.state.chat_template, hash);
  check(
      !p.resumed_from || before == hash,
      "{}: was trained with another chat template (hash {:016x}) than {} (hash {:016x}); start another run with --run "
      "DIR or --overwrite",
      p.resumed_from ? p.resumed_from->string() : "", before, p.data.chat ? name_of(p.data.chat->kind()) : "none",
      hash);
}

/// Returns the model whose weights the run needs: init_from at its start, the adapters' base when it resumes.
std::optional<ModelSource> base_of(const TrainingParts& p) {
  if (!p.resumed_from) {
    if (!p.config.init_from) return std::nullopt;
    return open_model(p.config.locate(*p.config.init_from));
  }
  if (!p.config.model.lora.is_on()) return std::nullopt;
  const fs::path base = open_model(*p.resumed_from, std::nullopt, Verify::no).adapter->base;
  if (base.empty()) return std::nullopt;
  return open_model(base, std::nullopt, Verify::no);
}

BaseModel describe(const ModelSource& base) {
  return {.path = fs::weakly_canonical(base.folder).string(), .hash = hash_weights(base.folder)};
}

/// Returns how many of the tokens train beside adapters: those that the chat template added.
Index new_tokens(const TrainingParts& p, Index vocab_size) {
  if (p.resumed_from) return read_adapter_description(*p.resumed_from).lora.new_tokens;
  return p.data.known_entries > 0 ? vocab_size - p.data.known_entries : 0;
}

/// Fills the weights that the model reads: those of the base, or random ones.
template <class T>
void fill_base(const TrainingParts& p, const std::optional<ModelSource>& base, ParameterBuffer<T>& weights) {
  if (!base) return initialise(p.config.model, p.config.seed, weights);
  inherit_weights(*base, p.data.known_entries, weights);
  if (!p.resumed_from) inform("starting from the weights of {}", *p.config.init_from);
}

/// Fills the weights under adapters, which have no masters in bfloat16.
void fill_adapted(const TrainingParts& p, const std::optional<ModelSource>& base) {
  ModelWeights& weights = *p.weights;
  ParameterBuffer<float>& masters = weights.masters();
  if (weights.precision() == Precision::fp32) return fill_base(p, base, masters);
  fill_base(p, base, weights.rounded());
  const bool scores = base && base->model.head == HeadKind::score;
  for (const Parameter& m : masters.layout().parameters()) {
    const bool is_of_base = m.key.tensor == TensorKind::new_rows || (scores && m.role == Role::score);
    if (is_of_base) masters.vec(m.id) = weights.rounded().vec(m.id).cast<float>();
  }
}

void fill_weights(const TrainingParts& p, const std::optional<ModelSource>& base) {
  const ModelConfig& model = p.config.model;
  initialise_added(model, p.config.seed, p.weights->masters());
  if (model.lora.is_on()) {
    fill_adapted(p, base);
    if (p.resumed_from) read_adapters(*p.resumed_from, model, p.weights->masters());
  } else if (p.resumed_from) {
    read_huggingface_weights(*p.resumed_from, model, p.weights->masters());
  } else {
    fill_base(p, base, p.weights->masters());
  }
}

void load_checkpoint(TrainingParts& p) {
  const fs::path& folder = *p.resumed_from;
  const std::vector<OptimizerSlot> slots = p.train_step->slots();
  read_optimizer(folder, slots, p.train_step->whole_state());
  inform("resuming at step {} from {}", p.state.step, folder.string());
}

/// Computes log p of the answers under a model like the one that trains.
ReferenceLogProbs log_probs_under(const TrainingParts& p, const ModelView& model) {
  const Index rows = p.data.runner.scored;
  return {answer_log_probs(model, p.data.preferences, rows, *p.world),
          answer_log_probs(model, p.data.held_out_preferences, rows, *p.world)};
}

/// Computes them under the model of init_from, with the context of this run.
ReferenceLogProbs log_probs_under_start(const TrainingParts& p, const ModelSource& start) {
  if (!p.resumed_from) return log_probs_under(p, {*p.model, *p.weights});
  ModelConfig config = p.config.model;
  config.lora = {};
  const LanguageModel<float> model(config, p.model->vocab_size());
  const ModelWeights weights(model.layout, p.weights->precision());
  inherit_weights(start, 0, weights.masters());
  weights.round();
  return log_probs_under(p, {model, weights});
}

/// Loads objective.reference.
LoadedModel load_named_reference(const TrainingParts& p, const ModelSource& source) {
  const std::string name = "objective.reference: " + source.folder.string();
  check(predicts_tokens(source.model.head), "{} is a reward model; name a language model", name);
  const std::unique_ptr<Tokenizer> tokenizer = own_tokenizer(source);
  const bool has_same_tokens = !tokenizer || tokenizer->to_json() == p.data.tokenizer->to_json();
  check(has_same_tokens && source.vocab_size == p.model->vocab_size() && source.model.n_ctx >= p.config.model.n_ctx,
        "{} has another tokenizer, another vocabulary or a shorter n_ctx than the model that trains; name a model that "
        "was made from the same one",
        name);
  LoadedModel loaded = load_weights(source, p.weights->precision());
  with_precision(p.weights->precision(), [&]<class T>() { check_finite_weights(loaded.weights->as<T>(), name); });
  return loaded;
}

/// Computes them under objective.reference.
ReferenceLogProbs log_probs_under_named(const TrainingParts& p, const ModelSource& source) {
  return log_probs_under(p, load_named_reference(p, source).view());
}

/// Opens the reference. If that fails on a resume, says why it is needed.
ModelSource open_reference(const TrainingParts& p, const std::string& name, const std::string& why) {
  try {
    return open_model(name);
  } catch (const Error& error) {
    if (!p.resumed_from) throw;
    fail(error.code(), "{}; it is the run's reference, which is needed since {}: put it back", error.what(), why);
  }
}

/// Returns the hash of the reference's weights. Refuses other weights than the run began with.
std::uint64_t hash_reference(const TrainingParts& p, const std::string& name, const ModelSource& source) {
  const std::uint64_t hash = hash_weights(source.folder);
  check(!p.resumed_from || hash == p.state.reference,
        "{}: has other weights now than when the run began (hash {}, then {}), so its reference is lost; put the "
        "model back, or start another run with --run DIR",
        name, hex(hash), hex(p.state.reference));
  return hash;
}

/// Loads the reference of a policy gradient, which stays in memory: without a value head and adapters.
void load_policy_reference(TrainingParts& p) {
  if (p.config.objective.beta == 0) return;
  const std::optional<std::string>& named = p.config.objective.reference;
  const std::string name = p.config.locate(named.value_or(*p.config.init_from)).string();
  const ModelSource source = open_reference(p, name, "each rollout is compared with it");
  p.state.reference = hash_reference(p, name, source);
  p.starts_at_reference = !p.resumed_from && !named;
  if (named) {
    LoadedModel loaded = load_named_reference(p, source);
    p.reference_model = std::move(loaded.model);
    p.reference_weights = std::move(loaded.weights);
  } else {
    ModelConfig config = p.config.model;
    config.lora = {};
    config.head = HeadKind::next_token;
    p.reference_model = std::make_unique<LanguageModel<float>>(config, p.model->vocab_size());
    p.reference_weights = std::make_unique<ModelWeights>(p.reference_model->layout, p.weights->precision());
    inherit_weights(source, 0, p.reference_weights->masters());
  }
  p.reference_weights->keep_only_what_is_read();
  p.data.rollouts->set_reference({*p.reference_model, *p.reference_weights});
}

/// Returns what the run keeps of the reference. The root reads it for all ranks.
std::optional<ReferenceLogProbs> kept_reference(const TrainingParts& p, const fs::path& file, const ReferenceKey& key) {
  World& world = *p.world;
  const Index answers = p.data.preferences->answers(), held_out = p.data.held_out_preferences->answers();
  std::optional<ReferenceLogProbs> kept;
  if (world.is_root()) kept = read_reference(file, key, answers, held_out);
  if (!world.of_root(kept.has_value())) return std::nullopt;
  if (!kept) kept.emplace();
  for (const auto& [log_probs, count] : {std::pair(&kept->train, answers), {&kept->held_out, held_out}}) {
    log_probs->resize(static_cast<std::size_t>(count));
    world.broadcast(std::as_writable_bytes(std::span(*log_probs)));
  }
  return kept;
}

/// Sets log p of the answers under the reference: those that the run keeps, else computed from the reference model.
void load_reference(TrainingParts& p, const fs::path& cache) {
  if (is_of_policy(p.config.objective.type)) return load_policy_reference(p);
  if (!has_reference(p.config.objective.type)) return;
  const fs::path file = cache / "reference.json";
  ReferenceKey key{.model = p.state.reference, .answers = p.data.digest, .precision = p.weights->precision()};
  const auto kept = [&] { return kept_reference(p, file, key); };
  std::optional<ReferenceLogProbs> log_probs;
  if (p.resumed_from) log_probs = kept();
  if (!log_probs) {
    const std::optional<std::string>& named = p.config.objective.reference;
    const std::string name = p.config.locate(named.value_or(*p.config.init_from)).string();
    const ModelSource source = open_reference(p, name, file.string() + " is missing or of other data");
    key.model = hash_reference(p, name, source);
    p.starts_at_reference = !p.resumed_from && !named && p.config.model.dropout == 0;
    log_probs = kept();
    if (!log_probs) log_probs = named ? log_probs_under_named(p, source) : log_probs_under_start(p, source);
    if (p.world->is_root()) write_reference(file, key, *log_probs);
  }
  p.state.reference = key.model;
  p.data.preferences->set_reference(std::move(log_probs->train));
  p.data.held_out_preferences->set_reference(std::move(log_probs->held_out));
}

/// Returns an evaluator for the run's objective.
std::unique_ptr<Evaluator> evaluator_of(const TrainingParts& p, Index vocab_size, Precision precision) {
  const ModelConfig& model = p.config.model;
  if (p.data.rollouts != nullptr) {
    const auto reference =
        p.reference_model ? std::optional(ModelView(*p.reference_model, *p.reference_weights)) : std::nullopt;
    return std::make_unique<PolicyEvaluator>(p.model->config(), vocab_size, precision, *p.data.policy,
                                             *p.data.tokenizer, p.data.rollouts->options(), reference);
  }
  if (p.data.preferences) {
    return make_preference_evaluator(model, vocab_size, precision, p.config.objective, p.data.runner.scored, *p.world);
  }
  const auto end_of_turn = p.data.chat ? std::optional(p.data.chat->end_of_turn()) : std::nullopt;
  return make_evaluator(model, vocab_size, precision, text_bytes_by_token(*p.data.tokenizer), end_of_turn, *p.world);
}

/// Returns the weights of the value head; none without one.
std::span<float> value_head(const TrainingParts& p) {
  if (p.config.model.head != HeadKind::next_token_and_value) return {};
  Vec<float> head = p.weights->masters().vec(p.model->layout.find({Module::score}));
  return {head.data(), static_cast<std::size_t>(head.size())};
}

/// Reads what rollout_state wrote into a checkpoint.
void load_rollout(TrainingParts& p) {
  if (p.data.rollouts == nullptr) return;
  const fs::path file = *p.resumed_from / kRolloutFile;
  p.data.rollouts->restore(read_file(file), file.string(), value_head(p));
  p.weights->round();
}

/// Throws Error (usage) if the tokenizer cannot encode the prompt of the samples: now rather than at the first sample.
void check_sample_prompt(const TrainingParts& p) {
  if (p.config.train.samples()) p.data.prompt(p.config.train.sample_prompt);
}

}  // namespace

std::string rollout_state(const TrainingParts& parts) {
  return parts.data.rollouts == nullptr ? std::string() : parts.data.rollouts->state(value_head(parts));
}

bool TrainingParts::has_stopped_early() const {
  return config.train.early_stopping && state.evaluations_since_best >= *config.train.early_stopping;
}

std::unique_ptr<TrainingParts> prepare(Config config, const fs::path& cache, const std::optional<fs::path>& checkpoint,
                                       const ResumeOptions& options, World& world) {
  auto result = std::make_unique<TrainingParts>();
  TrainingParts& p = *result;
  p.world = &world;
  p.config = std::move(config);
  p.resumed_from = checkpoint;
  if (p.resumed_from) compare_with_checkpoint(p.config, *p.resumed_from);
  const std::optional<ModelSource> base = base_of(p);
  if (base) check_can_begin(*base, p.config.model.head);
  const DataPlaces places{.checkpoint = p.resumed_from,
                          .base = p.resumed_from ? std::nullopt : base,
                          .cache = cache,
                          .parts = parts_of_step(p.config, world.size()),
                          .world = &world};
  if (!world.is_root()) world.barrier();  // the root makes the tokens, which the others find if they share its folder
  p.data = load_training_data(p.config, places, options);
  if (world.is_root()) world.barrier();
  p.config.settle_bases();
  if (p.resumed_from) p.state = read_trainer_state(*p.resumed_from);
  check_same_template(p);
  check_same_data(p, options.retokenize);
  check_sample_prompt(p);

  const Index V = vocab_size_of(p, base);
  const bool adapts = p.config.model.lora.is_on();
  if (adapts) p.config.model.lora.new_tokens = new_tokens(p, V);
  if (adapts && base) p.base = describe(*base);
  p.model = std::make_unique<LanguageModel<float>>(p.config.model, V);
  check_targets(p.config.model.lora, p.model->layout);
  p.saved = saved_parameters(p.model->layout);
  const Index n_ctx = p.config.model.n_ctx;
  require_memory(p.config, *p.model, (p.data.runner.rows + n_ctx - 1) / n_ctx, world.size());
  p.training_length = training_length_of(p.config.train, *p.data.batches);
  warn_of_long_warmup(p.config, p.training_length.total_steps());

  const Precision precision = resolved(p.config.train.precision);
  p.weights = std::make_unique<ModelWeights>(p.model->layout, p.saved, precision);
  fill_weights(p, base);  // early, since it may briefly need two copies
  p.weights->round();
  load_reference(p, cache);
  p.train_step = std::make_unique<TrainStep>(p.config, p.model->layout, V, p.data.runner, world);
  if (p.config.train.eval_every > 0 && p.data.validation) p.evaluator = evaluator_of(p, V, precision);
  if (p.resumed_from) load_checkpoint(p);
  if (p.resumed_from) load_rollout(p);
  note_machine(p, precision);
  p.training_length.advance(p.state);
  check_ranks_agree(p);
  return result;
}

}  // namespace kiln
