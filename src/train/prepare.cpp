// Prepares a run, with cheap checks before the parts that take time or memory.
#include "kiln/train/prepare.h"

#include "kiln/core/file.h"
#include "kiln/core/format.h"
#include "kiln/core/threads.h"
#include "kiln/data/repeats.h"
#include "kiln/nn/init.h"
#include "kiln/run/checkpoint_store.h"
#include "kiln/run/init_from.h"
#include "kiln/run/model_loader.h"
#include "kiln/text/document.h"
#include "kiln/text/tokenizer_json.h"
#include "kiln/train/plan.h"
#include "kiln/train/stop_signals.h"

#include <nlohmann/json.hpp>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cmath>

namespace kiln {
namespace {

namespace fs = std::filesystem;

/// Refuses changes that bind the run, and logs the others. Keeps the run's token names where the config has none.
void compare_with_checkpoint(Config& config, const fs::path& checkpoint) {
  const Config before = read_checkpoint_config(checkpoint).config;
  TokenizerConfig& names = config.tokenizer;
  if (!names.start_of_text) names.start_of_text = before.tokenizer.start_of_text;
  if (!names.end_of_text) names.end_of_text = before.tokenizer.end_of_text;
  const std::vector<Difference> differences = diff(before, config);
  std::vector<std::string> refused{
      fmt::format("{}: the config changes what must stay the same within a run:", checkpoint.string())};
  for (const Difference& difference : differences) {
    if (difference.binds_run()) refused.push_back("  " + to_string(difference));
  }
  if (refused.size() > 1) {
    refused.emplace_back("set these back, or start another run with --run DIR or --overwrite");
    fail_lines(ExitCode::usage, refused);
  }
  for (const Difference& difference : differences)
    spdlog::info("changed since the checkpoint: {}", to_string(difference));
}

/// Returns the checkpoint's tokenizer. One that the config names by path must be the same, unless `force`.
std::unique_ptr<Tokenizer> resumed_tokenizer(const Config& config, const fs::path& checkpoint, bool force) {
  std::unique_ptr<Tokenizer> tokenizer = load_tokenizer(checkpoint);
  const std::optional<std::string> path = config.located_tokenizer().path;
  if (path && !path_exists(*path)) {
    spdlog::info("{}: does not exist; using the tokenizer of {}", *path, checkpoint.string());
  } else if (path && force) {
    spdlog::warn("{}: is ignored; using the tokenizer of {}", *path, checkpoint.string());
  } else if (path) {
    check(
        load_tokenizer(*path)->to_json() == tokenizer->to_json(),
        "{}: the tokenizer is not the one that {} was trained with; put that one back, go on with the checkpoint's by "
        "--force-tokenizer, or start another run with --run DIR",
        *path, checkpoint.string());
  }
  return tokenizer;
}

/// Refuses a token name that a vocabulary would not have, before learning it.
void check_names_are_special(const TokenizerConfig& config) {
  for (const auto& [key, name] :
       {std::pair("start_of_text", config.start_of_text), {"end_of_text", config.end_of_text}}) {
    const bool is_usual = !name || name->empty() || *name == kStart || *name == kEndOfText;
    check(is_usual || std::ranges::find(config.special_tokens, *name) != config.special_tokens.end(),
          "tokenizer.{}: \"{}\" is not one of tokenizer.special_tokens; add it there", key, name.value_or(""));
  }
}

/// Creates the tokenizer. BPE learns from the training split only; char needs the characters of all splits.
std::unique_ptr<Tokenizer> new_tokenizer(const Config& config, const Corpus& corpus) {
  const bool is_learnt = config.tokenizer.type == TokenizerKind::bpe && !config.tokenizer.path;
  if (is_learnt) check_names_are_special(config.tokenizer);
  Documents documents = corpus.train();
  if (config.tokenizer.type == TokenizerKind::character) {
    documents.insert(documents.end(), corpus.validation().begin(), corpus.validation().end());
  }
  std::unique_ptr<Tokenizer> tokenizer =
      corpus.naming_places([&] { return make_tokenizer(config.located_tokenizer(), documents); });
  spdlog::info("tokenizer: {}, {}", tokenizer->type(), counted(tokenizer->vocab_size(), "entry"));
  if (is_learnt && tokenizer->vocab_size() < config.tokenizer.vocab_size) {
    spdlog::warn("fewer entries than tokenizer.vocab_size {}: no further pair of tokens occurs twice in the text",
                 config.tokenizer.vocab_size);
  }
  return tokenizer;
}

/// Logs signs of unintended text: zero bytes, separators learned as text, repeats, files left out.
void warn_of_odd_text(const Config& config, const Corpus& corpus) {
  if (!corpus.train_files().left.empty()) spdlog::info("data.train: {}", describe_files(corpus.train_files()));
  for (const std::string& warning : find_repeats(corpus)) spdlog::warn("{}", warning);
  const std::string zero_bytes = zero_bytes_warning(corpus);
  if (!zero_bytes.empty() && config.tokenizer.type != TokenizerKind::byte) spdlog::warn("{}", zero_bytes);
  constexpr std::size_t kSearched = 1 << 20;  // bytes
  const std::string_view beginning = corpus.train().empty() ? "" : corpus.train().front().substr(0, kSearched);
  if (!config.data.document_separator && !beginning.empty() && has_line(beginning, kEndOfText)) {
    spdlog::warn(
        "data.train: holds lines of {}, which are learnt as text; with data.document_separator \"{}\" documents end "
        "there",
        kEndOfText, kEndOfText);
  }
}

/// Returns the tokens that begin and end texts in the model or tokenizer that the run starts from; none if the run has
/// another tokenizer.
NamedTokens named_tokens(const Preparation& p, const std::optional<ModelSource>& base) {
  if (p.resumed_from) {  // already verified, and its tokenizer is in use
    return read_named_tokens(*p.resumed_from, p.tokenizer->vocab_size());
  }
  if (base) {
    const std::unique_ptr<Tokenizer> own = own_tokenizer(*base);
    if (own && own->to_json() == p.tokenizer->to_json()) return base->named;
  }
  const std::optional<std::string> path = p.config.located_tokenizer().path;
  return path && is_folder(*path) ? read_token_names(*path) : NamedTokens();
}

/// Determines the tokens that begin and end texts. Stores their names in the config, so that a resume has the same.
void settle_ends(Preparation& p, const std::optional<ModelSource>& base, bool has_several_documents) {
  const NamedTokens named = named_tokens(p, base);
  TokenizerConfig& config = p.config.tokenizer;
  config = with_names(config, *p.tokenizer, special_ids(*p.tokenizer, config, named));
  p.ids = special_ids(*p.tokenizer, config, named);
  const bool from_nothing = !p.resumed_from && !base;
  if (from_nothing && !has_several_documents && !p.ids.start) {
    p.ids.begin = line_feed(*p.tokenizer);  // most lines follow one, and the end token never occurs
  }
}

/// Reads the tokens of the config's text or token files. Also creates the tokenizer and the ends if they are not set.
void read_data(Preparation& p, const RunPaths& paths, const std::optional<ModelSource>& base) {
  const Config& config = p.config;
  const DataConfig data = config.located_data();
  if (names_token_files(data, config.directory)) {
    const bool would_learn =
        (config.tokenizer.type == TokenizerKind::bpe || config.tokenizer.type == TokenizerKind::character) &&
        !config.tokenizer.path;
    check(p.tokenizer || !would_learn,
          "data.train: token files need the tokenizer that they were made with: name its tokenizer.json, or the folder "
          "it lies in, by tokenizer.path; or set tokenizer.type to \"none\" and tokenizer.vocab_size, and do without");
    if (!p.tokenizer) p.tokenizer = make_tokenizer(config.located_tokenizer(), {});
    settle_ends(p, base, true);
    p.data = open_token_dataset(data, p.tokenizer->vocab_size(), config.directory, paths.tokens());
  } else {
    const Corpus corpus(data, config.directory);
    warn_of_odd_text(config, corpus);
    if (!p.tokenizer) p.tokenizer = new_tokenizer(config, corpus);
    settle_ends(p, base, corpus.has_several_documents());
    const DocumentMarks marks{p.ids.start, corpus.has_several_documents() ? p.ids.end : std::nullopt};
    if (const std::string text = describe(marks, *p.tokenizer); !text.empty()) spdlog::info("{}", text);
    p.data = encode_corpus(corpus, *p.tokenizer, p.ids.marks(), paths.tokens());
  }
}

/// Returns why the text no longer gives the tokens of this digest; nullopt if it does.
std::optional<std::string> why_other_tokens(const Preparation& p, std::uint64_t digest, const fs::path& cache) {
  const Config& config = p.config;
  try {
    const DataConfig data = config.located_data();
    std::optional<Dataset> now;
    if (names_token_files(data, config.directory)) {
      now = open_token_dataset(data, p.tokenizer->vocab_size(), config.directory, cache);
    } else {
      now = find_encoded(Corpus(data, config.directory), *p.tokenizer, p.ids.marks(), cache);
    }
    if (now && now->digest() == digest) return std::nullopt;
    return "data.train and data.validation give other tokens now: a file has changed, come or gone";
  } catch (const Error& error) {
    return error.what();
  }
}

/// Returns the tokens in the run's folder, with a warning if the text gives others; nullopt if they are missing, or the
/// config names other data than the checkpoint's.
std::optional<Dataset> tokens_of_run(const Preparation& p, const fs::path& cache) {
  const Config before = read_checkpoint_config(*p.resumed_from).config;
  if (to_json(before.data) != to_json(p.config.data)) return std::nullopt;
  const std::uint64_t digest = read_trainer_state(*p.resumed_from).data_digest;
  std::optional<Dataset> tokens = find_dataset(p.config.data, digest, cache);
  if (!tokens) return std::nullopt;
  if (const auto reason = why_other_tokens(p, digest, cache)) {
    spdlog::warn("{}; the run goes on with its own tokens, in {}; --retokenize takes the text as it is now", *reason,
                 cache.string());
  }
  return tokens;
}

void load_data(Preparation& p, const RunPaths& paths, const std::optional<ModelSource>& base,
               const ResumeOptions& options) {
  const Config& config = p.config;
  if (p.resumed_from) {
    p.tokenizer = resumed_tokenizer(config, *p.resumed_from, options.force_tokenizer);
    settle_ends(p, base, true);
  }
  const std::optional<Dataset> kept =
      p.resumed_from && !options.retokenize ? tokens_of_run(p, paths.tokens()) : std::nullopt;
  if (kept) {
    p.data = *kept;
  } else {
    read_data(p, paths, base);
  }
  const std::string why =
      fmt::format("a window of {} tokens and its last target (model.n_ctx {})", config.model.n_ctx, config.model.n_ctx);
  require_tokens(p.data.train, config.model.n_ctx + 1, "data.train", why);
  if (p.data.validation.size() > 0) {
    const std::string what = config.data.validation.empty()
                                 ? fmt::format("the tail of data.train that is held out (data.validation_fraction {})",
                                               config.data.validation_fraction)
                                 : "data.validation";
    require_tokens(p.data.validation, 2, what, "an evaluation");
  } else if (config.data.has_validation()) {
    spdlog::warn("no text is held out, so there is no evaluation and no best checkpoint");
  }
}

/// Refuses to continue with other tokens unless `retokenize`: order of windows and held-out part would differ.
void check_same_data(Preparation& p, bool retokenize) {
  TrainerState& state = p.state;
  const std::uint64_t digest = p.data.digest();
  const std::uint64_t before = std::exchange(state.data_digest, digest);
  if (!p.resumed_from || before == 0 || before == digest) return;
  check(retokenize,
        "{}: was trained on other data than data.train and data.validation give now ({} tokens, {} held out): a file "
        "has changed, come or gone; put the data back, go on with what it is now by --retokenize, or start another run "
        "with --run DIR or --overwrite",
        p.resumed_from->string(), p.data.train.size(), p.data.validation.size());
  state.best_loss.reset();  // of other text
  state.validation_loss.reset();
  state.best_step = state.evaluations_since_best = 0;
  spdlog::warn(
      "step {}: the run goes on with other data ({} tokens, {} held out); its best validation loss counts from here",
      state.step, p.data.train.size(), p.data.validation.size());
}

/// Returns the rows of the embedding: those of the run's checkpoint or initial model, else the tokenizer's entries.
Index vocab_size_of(const Preparation& p, const std::optional<ModelSource>& base) {
  if (p.resumed_from) return read_checkpoint_config(*p.resumed_from).vocab_size;
  if (!base) return p.tokenizer->vocab_size();
  check_tokenizer_fits(*p.tokenizer, base->vocab_size, *p.config.init_from);
  return base->vocab_size;
}

Horizon horizon_of(const TrainConfig& train, const BatchSizes& sizes, Index windows_per_epoch) {
  if (train.time_budget) return Horizon::after_seconds(train.time_budget->seconds);
  if (train.steps) return Horizon::after_steps(*train.steps);
  return Horizon::after_steps(steps_of_epochs(*train.epochs, windows_per_epoch, sizes.windows_per_step));
}

void warn_of_long_warmup(const Config& config, double total_steps) {
  if (static_cast<double>(config.schedule.warmup_steps) <= total_steps) return;
  spdlog::warn("schedule.warmup_steps {} is longer than the run; the warm-up ends with its last step, {:.0f}",
               config.schedule.warmup_steps, total_steps);
}

/// Logs differences of the machine that change the bits of a resumed run, and stores the new state.
void note_machine(Preparation& p, Precision precision) {
  TrainerState& state = p.state;
  if (p.resumed_from && state.threads != threads() && !deterministic()) {
    spdlog::warn(
        "the checkpoint was made with {} threads and this machine uses {}: results will differ in their last bits; "
        "train.deterministic avoids that",
        state.threads, threads());
  }
  const Precision before = std::exchange(state.precision, precision);
  if (before != Precision::automatic && before != precision) {
    spdlog::warn("the checkpoint was made in {}, the run goes on in {}; train.precision chooses", name_of(before),
                 name_of(precision));
  }
  state.seed = p.config.seed;
  state.threads = threads();
}

void load_checkpoint(Preparation& p) {
  const fs::path& folder = *p.resumed_from;
  read_huggingface_weights(folder, p.config.model, p.weights->masters());
  const std::vector<OptimizerSlot> slots = p.stepper->optimizer().slots();
  read_optimizer(folder, slots);
  p.state = read_trainer_state(folder);
  spdlog::info("resuming at step {} from {}", p.state.step, folder.string());
}

}  // namespace

std::unique_ptr<Preparation> prepare(Config config, const RunPaths& paths, bool resume, const ResumeOptions& options) {
  watch_stop_signals();  // before any thread starts
  auto result = std::make_unique<Preparation>();
  Preparation& p = *result;
  p.config = std::move(config);
  set_threads(p.config.train.threads, p.config.train.deterministic);
  if (resume) {
    p.resumed_from = checkpoint_to_resume(paths.checkpoints());
    if (!p.resumed_from) spdlog::info("{}: no checkpoint to resume; starting at step 0", paths.root.string());
  }
  if (p.resumed_from) compare_with_checkpoint(p.config, *p.resumed_from);
  std::optional<ModelSource> base;  // the initial weights' model
  if (p.config.init_from && !p.resumed_from) base = open_model(p.config.locate(*p.config.init_from));
  load_data(p, paths, base, options);
  p.config.settle_bases();

  p.model = std::make_unique<LanguageModel<float>>(p.config.model, vocab_size_of(p, base));
  const std::optional<TokenId> border = document_border(p.config.data, p.ids);
  p.batcher =
      std::make_unique<Batcher>(p.data.train, p.config.model.n_ctx, p.config.train.order, p.config.seed, border);
  const BatchSizes sizes = BatchSizes::of(p.config, p.batcher->windows_per_epoch());
  require_memory(p.config, *p.model, sizes.windows_per_micro_batch);
  p.horizon = horizon_of(p.config.train, sizes, p.batcher->windows_per_epoch());
  warn_of_long_warmup(p.config, p.horizon.total_steps());

  const Precision precision = resolved(p.config.train.precision);
  p.weights = std::make_unique<ModelWeights>(p.model->layout, precision);
  if (base) {  // early, since it briefly needs two copies
    inherit_weights(p.config.locate(*p.config.init_from), p.weights->masters());
    spdlog::info("starting from the weights of {}", *p.config.init_from);
  }
  const Index V = p.model->vocab_size();
  p.stepper = std::make_unique<Stepper>(p.config, p.model->layout, V, sizes);
  if (p.config.train.eval_every > 0 && p.data.validation.size() > 0)
    p.evaluator = make_evaluator(p.config.model, V, precision, text_bytes_by_token(*p.tokenizer),
                                 p.config.train.most_evaluated_tokens(p.config.model.n_ctx), border);
  if (p.resumed_from) {
    load_checkpoint(p);
  } else if (!p.config.init_from) {
    initialise(p.config.model, p.config.seed, p.weights->masters());
  }
  note_machine(p, precision);
  check_same_data(p, options.retokenize);
  p.horizon.advance(p.state);
  p.weights->round();
  return result;
}

}  // namespace kiln
