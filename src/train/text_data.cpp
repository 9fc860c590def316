// Loads the text of pre-training. Prefers the tokens of the run to those of the text.
#include "kiln/core/error.h"
#include "kiln/core/file.h"
#include "kiln/core/format.h"
#include "kiln/core/report.h"
#include "kiln/data/batcher.h"
#include "kiln/data/dataset.h"
#include "kiln/data/repeats.h"
#include "kiln/data/source_files.h"
#include "kiln/run/checkpoint.h"
#include "kiln/text/document.h"
#include "kiln/train/evaluate.h"
#include "kiln/train/train_step.h"

#include <nlohmann/json.hpp>

#include "train/training_data.h"
#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

namespace kiln {
namespace {

constexpr Index kFewestScored = 2;  // tokens of an evaluation, at least: one is predicted from another

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
  inform("tokenizer: {}, {}", tokenizer->type(), counted(tokenizer->vocab_size(), "entry"));
  if (is_learnt && tokenizer->vocab_size() < config.tokenizer.vocab_size) {
    warn("fewer entries than tokenizer.vocab_size {}: no further pair of tokens occurs twice in the text",
         config.tokenizer.vocab_size);
  }
  return tokenizer;
}

/// Logs signs of unintended text: bytes unlike text, separators learned as text, repeats, files left out.
void warn_of_odd_text(const Config& config, const Corpus& corpus) {
  if (!corpus.train_files().left.empty()) inform("data.train: {}", describe_files(corpus.train_files()));
  for (const std::string& warning : find_repeats(corpus)) warn("{}", warning);
  const bool is_of_bytes = config.tokenizer.type == TokenizerKind::byte;
  const std::string odd_bytes = is_of_bytes ? "" : corpus.check_bytes();
  if (!odd_bytes.empty()) warn("{}", odd_bytes);
  constexpr std::size_t kSearched = 1 << 20;  // bytes
  const std::string_view beginning = corpus.train().empty() ? "" : corpus.train().front().substr(0, kSearched);
  if (!config.data.document_separator && !beginning.empty() && has_line(beginning, kEndOfText)) {
    warn(
        "data.train: holds lines of {}, which are learnt as text; with data.document_separator \"{}\" documents end "
        "there",
        kEndOfText, kEndOfText);
  }
}

/// Refuses data.validation_fraction if it leaves less than a window to train on, or nothing to evaluate. `train` and
/// `held_out` count the tokens of `text`.
void check_fraction(const Config& config, Index train, Index held_out, const std::string& text,
                    const std::string& window) {
  const double fraction = config.data.validation_fraction;
  const Index needed = config.model.n_ctx + 1, all = train + held_out;
  const auto hundredths = [&](Index part) { return 100 * static_cast<double>(part) / static_cast<double>(all); };
  const double most = std::floor(hundredths(all - needed)) / 100, least = std::ceil(hundredths(kFewestScored)) / 100;
  const bool fits_both = least <= most;
  check(train >= needed,
        "data.validation_fraction {}: leaves {} of the {} of {} to train on, but {} needs {}; set it to {}", fraction,
        format_count(train), counted(all, "token"), text, window, format_count(needed),
        fits_both ? fmt::format("at most {:g}", most) : "0");
  check(held_out >= kFewestScored,
        "data.validation_fraction {}: holds out {} of the {} of {}, but an evaluation needs {}; set it to {}", fraction,
        format_count(held_out), counted(all, "token"), text, kFewestScored,
        fits_both ? fmt::format("at least {:g}, or to 0 to hold out nothing", least) : "0");
}

/// Refuses a text without a window to train on, or without a token to score in an evaluation.
void check_lengths(const Config& config, const Dataset& tokens) {
  const DataConfig& data = config.data;
  const Index n_ctx = config.model.n_ctx, train = tokens.train.size(), held_out = tokens.validation.size();
  const auto names_of = [](const std::vector<std::string>& names) {
    return name_of_files({names.begin(), names.end()});
  };
  const std::string window =
      fmt::format("a window of {} and its last target (model.n_ctx {})", counted(n_ctx, "token"), n_ctx);
  const bool is_cut = data.validation.empty() && data.validation_fraction > 0;
  require_tokens(is_cut ? train + held_out : train, n_ctx + 1, "data.train: " + names_of(data.train), window);
  if (is_cut) return check_fraction(config, train, held_out, names_of(data.train), window);
  if (held_out > 0)
    require_tokens(held_out, kFewestScored, "data.validation: " + names_of(data.validation), "an evaluation");
  if (held_out == 0 && config.data.has_validation()) {
    warn("data.validation: {} is empty, so there is no evaluation and no best checkpoint", names_of(data.validation));
  }
}

class TextLoader {
 public:
  TextLoader(Config& config, const DataPlaces& places) : config_(config), places_(places) {}

  TrainingData load(const ResumeOptions& options) {
    std::optional<Dataset> kept;
    if (places_.checkpoint) {
      data_.tokenizer = resumed_tokenizer(config_, *places_.checkpoint, options.force_tokenizer);
      settle_ends(true);
      if (!options.retokenize) kept = tokens_of_run();
    }
    if (!kept) read_tokens();
    if (kept) tokens_ = *std::move(kept);
    check_lengths(config_, tokens_);
    make_batches();
    return std::move(data_);
  }

 private:
  void make_batches() {
    const Index n_ctx = config_.model.n_ctx;
    const TrainConfig& train = config_.train;
    const std::optional<TokenId> border = document_border(config_.data, data_.ids);
    Batcher batcher(tokens_.train, n_ctx, train.order, config_.seed, border);
    const BatchSizes sizes = batch_sizes(config_, batcher.windows_per_epoch());
    data_.batches = std::make_unique<WindowBatches>(std::move(batcher), sizes);
    data_.runner = training_runner(config_, sizes, places_.parts);
    data_.training_tokens = tokens_.train.size();
    data_.held_out_tokens = tokens_.validation.size();
    data_.digest = tokens_.digest();
    if (tokens_.validation.size() == 0) return;
    data_.validation =
        make_text_evaluation(config_.model, tokens_.validation, train.most_evaluated_tokens(n_ctx), border);
  }

  /// Determines the tokens that begin and end texts, and names them in the config.
  void settle_ends(bool has_several_documents) {
    const NamedTokens named = named_tokens(config_, places_, *data_.tokenizer);
    const Tokenizer& tokenizer = *data_.tokenizer;
    config_.tokenizer = with_names(config_.tokenizer, tokenizer, special_ids(tokenizer, config_.tokenizer, named));
    data_.ids = special_ids(tokenizer, config_.tokenizer, named);
    const bool from_nothing = !places_.checkpoint && !places_.base;
    if (from_nothing && !has_several_documents && !data_.ids.start) {
      data_.ids.begin = line_feed(tokenizer);  // most lines follow one, and the end token never occurs
    }
  }

  /// Reads the tokens of the config's text or token files. Also creates the tokenizer and the ends if they are not set.
  void read_tokens() {
    const DataConfig located = config_.located_data();
    if (names_token_files(located, config_.directory)) return open_token_files(located);
    const Corpus corpus(located, config_.directory);
    const bool is_empty = corpus.train().empty() && (corpus.validation().empty() || !located.validation.empty());
    if (is_empty) check_lengths(config_, {});  // before a vocabulary is made of no text
    warn_of_odd_text(config_, corpus);
    if (!data_.tokenizer) data_.tokenizer = new_tokenizer(config_, corpus);
    settle_ends(corpus.has_several_documents());
    const DocumentMarks marks{data_.ids.start, corpus.has_several_documents() ? data_.ids.end : std::nullopt};
    if (const std::string text = describe(marks, *data_.tokenizer); !text.empty()) inform("{}", text);
    tokens_ = encode_corpus(corpus, *data_.tokenizer, data_.ids.marks(), places_.cache);
  }

  void open_token_files(const DataConfig& located) {
    const TokenizerConfig& wanted = config_.tokenizer;
    const bool would_learn =
        (wanted.type == TokenizerKind::bpe || wanted.type == TokenizerKind::character) && !wanted.path;
    check(
        data_.tokenizer || !would_learn,
        "data.train: token files need the tokenizer that made them: set tokenizer.path to its tokenizer.json or to the "
        "folder that contains it; or train without a tokenizer: set tokenizer.type to \"none\", and "
        "tokenizer.vocab_size");
    if (!data_.tokenizer) data_.tokenizer = make_tokenizer(config_.located_tokenizer(), {});
    settle_ends(true);
    tokens_ = open_token_dataset(located, data_.tokenizer->vocab_size(), config_.directory, places_.cache);
  }

  /// Returns the tokens in the run's folder, with a warning if the text gives others; nullopt if they are missing, or
  /// the config names other data than the checkpoint's.
  std::optional<Dataset> tokens_of_run() const {
    const Config before = read_checkpoint_config(*places_.checkpoint).config;
    if (to_json(before.data) != to_json(config_.data)) return std::nullopt;
    const std::uint64_t digest = read_trainer_state(*places_.checkpoint).data_digest;
    std::optional<Dataset> tokens = find_dataset(config_.data, digest, places_.cache);
    if (!tokens) return std::nullopt;
    if (const auto reason = why_other_tokens(digest)) {
      warn("{}; the run continues with its own tokens, in {}; --retokenize reads the text again", *reason,
           places_.cache.string());
    }
    return tokens;
  }

  /// Returns why the text no longer gives the tokens of this digest; nullopt if it does.
  std::optional<std::string> why_other_tokens(std::uint64_t digest) const {
    try {
      const DataConfig located = config_.located_data();
      std::optional<Dataset> now;
      if (names_token_files(located, config_.directory)) {
        now = open_token_dataset(located, data_.tokenizer->vocab_size(), config_.directory, places_.cache);
      } else {
        now = find_encoded(Corpus(located, config_.directory), *data_.tokenizer, data_.ids.marks(), places_.cache);
      }
      if (now && now->digest() == digest) return std::nullopt;
      return "data.train and data.validation hold other tokens now: a file was changed, added or removed";
    } catch (const Error& error) {
      return error.what();
    }
  }

  Config& config_;
  const DataPlaces& places_;
  TrainingData data_;
  Dataset tokens_;
};

}  // namespace

TrainingData load_text(Config& config, const DataPlaces& places, const ResumeOptions& options) {
  return TextLoader(config, places).load(options);
}

}  // namespace kiln
