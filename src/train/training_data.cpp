// Prefers the data of the checkpoint to those of the config, and checks what is cheap to check first.
#include "train/training_data.h"

#include "kiln/core/error.h"
#include "kiln/core/file.h"
#include "kiln/core/format.h"
#include "kiln/core/report.h"
#include "kiln/data/repeats.h"
#include "kiln/run/checkpoint.h"
#include "kiln/run/model_loader.h"
#include "kiln/text/document.h"
#include "kiln/text/tokenizer_json.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <string>
#include <utility>

namespace kiln {
namespace {

namespace fs = std::filesystem;

/// Returns the checkpoint's tokenizer. One that the config names by path must be the same, unless `force`.
std::unique_ptr<Tokenizer> resumed_tokenizer(const Config& config, const fs::path& checkpoint, bool force) {
  std::unique_ptr<Tokenizer> tokenizer = load_tokenizer(checkpoint);
  const std::optional<std::string> path = config.located_tokenizer().path;
  if (path && !path_exists(*path)) {
    inform("{}: does not exist; using the tokenizer of {}", *path, checkpoint.string());
  } else if (path && force) {
    warn("{}: is ignored; using the tokenizer of {}", *path, checkpoint.string());
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
  inform("tokenizer: {}, {}", tokenizer->type(), counted(tokenizer->vocab_size(), "entry"));
  if (is_learnt && tokenizer->vocab_size() < config.tokenizer.vocab_size) {
    warn("fewer entries than tokenizer.vocab_size {}: no further pair of tokens occurs twice in the text",
         config.tokenizer.vocab_size);
  }
  return tokenizer;
}

/// Logs signs of unintended text: zero bytes, separators learned as text, repeats, files left out.
void warn_of_odd_text(const Config& config, const Corpus& corpus) {
  if (!corpus.train_files().left.empty()) inform("data.train: {}", describe_files(corpus.train_files()));
  for (const std::string& warning : find_repeats(corpus)) warn("{}", warning);
  const std::string zero_bytes = zero_bytes_warning(corpus);
  if (!zero_bytes.empty() && config.tokenizer.type != TokenizerKind::byte) warn("{}", zero_bytes);
  constexpr std::size_t kSearched = 1 << 20;  // bytes
  const std::string_view beginning = corpus.train().empty() ? "" : corpus.train().front().substr(0, kSearched);
  if (!config.data.document_separator && !beginning.empty() && has_line(beginning, kEndOfText)) {
    warn(
        "data.train: holds lines of {}, which are learnt as text; with data.document_separator \"{}\" documents end "
        "there",
        kEndOfText, kEndOfText);
  }
}

class DataLoader {
 public:
  DataLoader(Config& config, const DataPlaces& places) : config_(config), places_(places) {}

  TrainingData load(const ResumeOptions& options) {
    if (places_.checkpoint) {
      data_.tokenizer = resumed_tokenizer(config_, *places_.checkpoint, options.force_tokenizer);
      settle_ends(true);
      if (!options.retokenize) {
        if (std::optional<Dataset> kept = tokens_of_run()) {
          data_.tokens = *std::move(kept);
          return std::move(data_);
        }
      }
    }
    read_tokens();
    return std::move(data_);
  }

 private:
  /// Returns the tokens that begin and end texts in the model or tokenizer that the run starts from; none if the run
  /// has another tokenizer.
  NamedTokens named_tokens() const {
    if (places_.checkpoint) {  // its tokenizer is in use
      return read_named_tokens(*places_.checkpoint, data_.tokenizer->vocab_size());
    }
    if (places_.base) {
      const std::unique_ptr<Tokenizer> own = own_tokenizer(*places_.base);
      if (own && own->to_json() == data_.tokenizer->to_json()) return places_.base->named;
    }
    const std::optional<std::string> path = config_.located_tokenizer().path;
    return path && is_folder(*path) ? read_token_names(*path) : NamedTokens();
  }

  /// Determines the tokens that begin and end texts, and names them in the config.
  void settle_ends(bool has_several_documents) {
    const NamedTokens named = named_tokens();
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
    warn_of_odd_text(config_, corpus);
    if (!data_.tokenizer) data_.tokenizer = new_tokenizer(config_, corpus);
    settle_ends(corpus.has_several_documents());
    const DocumentMarks marks{data_.ids.start, corpus.has_several_documents() ? data_.ids.end : std::nullopt};
    if (const std::string text = describe(marks, *data_.tokenizer); !text.empty()) inform("{}", text);
    data_.tokens = encode_corpus(corpus, *data_.tokenizer, data_.ids.marks(), places_.cache);
  }

  void open_token_files(const DataConfig& located) {
    const TokenizerConfig& wanted = config_.tokenizer;
    const bool would_learn =
        (wanted.type == TokenizerKind::bpe || wanted.type == TokenizerKind::character) && !wanted.path;
    check(data_.tokenizer || !would_learn,
          "data.train: token files need the tokenizer that they were made with: name its tokenizer.json, or the folder "
          "it lies in, by tokenizer.path; or set tokenizer.type to \"none\" and tokenizer.vocab_size, and do without");
    if (!data_.tokenizer) data_.tokenizer = make_tokenizer(config_.located_tokenizer(), {});
    settle_ends(true);
    data_.tokens = open_token_dataset(located, data_.tokenizer->vocab_size(), config_.directory, places_.cache);
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
      warn("{}; the run goes on with its own tokens, in {}; --retokenize takes the text as it is now", *reason,
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
      return "data.train and data.validation give other tokens now: a file has changed, come or gone";
    } catch (const Error& error) {
      return error.what();
    }
  }

  Config& config_;
  const DataPlaces& places_;
  TrainingData data_;
};

void check_lengths(const Config& config, const Dataset& tokens) {
  const std::string why =
      fmt::format("a window of {} tokens and its last target (model.n_ctx {})", config.model.n_ctx, config.model.n_ctx);
  require_tokens(tokens.train, config.model.n_ctx + 1, "data.train", why);
  if (tokens.validation.size() > 0) {
    const std::string what = config.data.validation.empty()
                                 ? fmt::format("the tail of data.train that is held out (data.validation_fraction {})",
                                               config.data.validation_fraction)
                                 : "data.validation";
    require_tokens(tokens.validation, 2, what, "an evaluation");
  } else if (config.data.has_validation()) {
    warn("no text is held out, so there is no evaluation and no best checkpoint");
  }
}

}  // namespace

TrainingData load_training_data(Config& config, const DataPlaces& places, const ResumeOptions& options) {
  TrainingData data = DataLoader(config, places).load(options);
  check_lengths(config, data.tokens);
  return data;
}

}  // namespace kiln
