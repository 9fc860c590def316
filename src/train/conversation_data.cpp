// Loads the conversations of supervised finetuning, and their template.
#include "kiln/core/error.h"
#include "kiln/core/format.h"
#include "kiln/core/report.h"
#include "kiln/data/conversation_batches.h"
#include "kiln/data/encoded_conversations.h"
#include "kiln/run/model_chat.h"
#include "kiln/run/model_loader.h"
#include "kiln/train/evaluate.h"
#include "kiln/train/train_step.h"

#include <fmt/format.h>

#include "train/training_data.h"
#include <algorithm>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace kiln {
namespace {

constexpr const char* kTemplateKey = "chat.template";

/// Returns the tokenizer of the model that the run starts from, before tokens are added to it.
std::unique_ptr<Tokenizer> starting_tokenizer(const Config& config) {
  const bool would_learn =
      (config.tokenizer.type == TokenizerKind::bpe || config.tokenizer.type == TokenizerKind::character) &&
      !config.tokenizer.path;
  check(!would_learn,
        "objective.type sft: needs the tokenizer of a trained model: name the model by init_from, or a tokenizer by "
        "tokenizer.path");
  return make_tokenizer(config.located_tokenizer(), {});
}

/// Returns the config's template, else the model's own. Throws Error (usage) if both are known and differ.
ChatTemplateKind template_of(const Config& config, const DataPlaces& places, const Tokenizer& tokenizer) {
  const std::filesystem::path folder = places.base ? places.base->text_folder() : std::filesystem::path();
  const std::optional<ChatTemplateKind> chosen = config.chat.kind();
  if (!chosen) return model_chat_template(folder, tokenizer, kTemplateKey);
  const std::string jinja = read_chat_template(folder);
  const std::optional<ChatTemplateKind> own = jinja.empty() ? std::nullopt : recognise_chat_template(jinja);
  check(!own || own == chosen,
        "chat.template: is {}, but {} was finetuned with {}; leave the key out, or start from a model without a "
        "template",
        name_of(*chosen), folder.string(), name_of(own.value_or(*chosen)));
  return *chosen;
}

std::string summary_of(const ChatCensus& census) {
  std::string text = fmt::format("{}, {}, {:.0f}% of them supervised, longest {}",
                                 counted(census.conversations, "conversation"), counted(census.tokens, "token"),
                                 100 * static_cast<double>(census.supervised) / static_cast<double>(census.tokens),
                                 format_count(census.longest));
  if (census.dropped > 0) text += fmt::format("; {} left out, longer than n_ctx", format_count(census.dropped));
  if (census.cut > 0) text += fmt::format("; {} cut to n_ctx", format_count(census.cut));
  if (census.without_answer > 0) text += fmt::format("; {} without an answer", format_count(census.without_answer));
  return text;
}

/// Refuses a source of which nothing can be trained on. `place` names it in messages.
void check_census(const ChatCensus& census, Index n_ctx, std::string_view place) {
  check(census.conversations > 0,
        "{}: none of its conversations can be used: {} are longer than n_ctx {} (the longest has {} tokens), "
        "{} have no answer; raise model.n_ctx, or set objective.too_long to \"cut\"",
        place, census.dropped, n_ctx, census.longest, census.without_answer);
}

/// Returns the sources of data.mix with their part of an epoch, and reports them; none without data.mix.
std::vector<SourceCensus> mixed_sources(const ConversationBatches& batches) {
  std::vector<SourceCensus> sources = batches.conversations().sources();
  if (sources.size() == 1) return {};
  for (std::size_t i = 0; i < sources.size(); ++i) {
    SourceCensus& source = sources[i];
    source.draws = batches.draws(static_cast<Index>(i));
    const auto draws = static_cast<double>(source.draws);
    inform("{}: {:.1f}% of the examples, {:.2f} passes in each epoch; {}", source.name,
           100 * draws / static_cast<double>(batches.epoch()), draws / static_cast<double>(source.census.conversations),
           summary_of(source.census));
  }
  return sources;
}

}  // namespace

TrainingData load_conversations(Config& config, const DataPlaces& places, const ResumeOptions& options) {
  TrainingData data;
  data.tokenizer = places.checkpoint ? resumed_tokenizer(config, *places.checkpoint, options.force_tokenizer)
                                     : starting_tokenizer(config);
  const NamedTokens named = named_tokens(config, places, *data.tokenizer);
  const ChatTemplateKind kind = template_of(config, places, *data.tokenizer);
  const Index entries = data.tokenizer->vocab_size();
  if (places.base) check_tokenizer_fits(*data.tokenizer, places.base->vocab_size, *config.init_from);
  data.tokenizer = with_chat_tokens(std::move(data.tokenizer), kind);
  if (const Index added = data.tokenizer->vocab_size() - entries; added > 0 && places.base) {
    data.known_entries = entries;
    inform("the vocabulary lacks {} of the template {}; they begin as the mean of the embedding",
           counted(added, "token"), name_of(kind));
  }
  config.chat.set(kind);
  if (kind != ChatTemplateKind::plain && !config.tokenizer.end_of_text) {
    config.tokenizer.end_of_text =
        data.tokenizer->token_bytes(ChatTemplate(kind, *data.tokenizer, SpecialIds()).end_of_turn());
  }
  data.ids = special_ids(*data.tokenizer, config.tokenizer, named);
  config.tokenizer = with_names(config.tokenizer, *data.tokenizer, data.ids);
  data.chat.emplace(kind, *data.tokenizer, data.ids);

  const Index n_ctx = config.model.n_ctx;
  const Conversations read = read_conversations(config.located_data(), config.directory);
  const ChatEncoding encoding{config.objective.supervise, config.objective.too_long, n_ctx};
  const auto encode = [&](const std::vector<ConversationSource>& sources) {
    return encode_sources(sources, *data.chat, *data.tokenizer, data.ids, encoding);
  };
  EncodedConversations train = encode(read.train), validation = encode(read.validation);
  for (const SourceCensus& source : train.sources()) {
    check_census(source.census, n_ctx, config.data.mix.empty() ? "data.train" : source.name);
  }
  inform("template {}; {}", name_of(kind), summary_of(train.census()));

  const BatchSizes sizes = planned_batch_sizes(config);
  const TrainConfig& settings = config.train;
  const Index rows = sizes.windows_per_micro_batch * n_ctx;
  data.runner = {.rows = rounded_up_rows(rows), .scored = rows, .backward = settings.recompute};
  data.census = train.census();
  data.training_tokens = train.census().tokens;
  data.held_out_tokens = validation.census().tokens;
  data.digest = digest_of(train, validation);
  auto batches = std::make_unique<ConversationBatches>(
      std::move(train),
      ConversationBatchOptions{.rows = rows,
                               .micro_batches = settings.batch_size.all ? 0 : settings.gradient_accumulation,
                               .order = settings.order,
                               .seed = config.seed});
  data.sources = mixed_sources(*batches);
  data.batches = std::move(batches);
  if (validation.size() > 0) {
    data.validation = std::make_unique<ConversationEvaluation>(std::move(validation), evaluation_rows(config.model),
                                                               settings.most_evaluated_tokens(n_ctx));
  } else if (config.data.has_validation()) {
    warn("no conversation is held out, so there is no evaluation and no best checkpoint");
  }
  return data;
}

}  // namespace kiln
