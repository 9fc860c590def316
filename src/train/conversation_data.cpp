// Loads the conversations of supervised finetuning.
#include "kiln/core/error.h"
#include "kiln/core/format.h"
#include "kiln/core/report.h"
#include "kiln/data/conversation_examples.h"
#include "kiln/data/encoded_conversations.h"
#include "kiln/data/repeats.h"
#include "kiln/train/evaluate.h"
#include "kiln/train/train_step.h"

#include <fmt/format.h>

#include "train/chat_data.h"
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

std::string summary_of(const ChatCensus& census) {
  std::string text = fmt::format("{}, {}, {:.0f}% of them supervised ({}), longest {}",
                                 counted(census.conversations, "conversation"), counted(census.tokens, "token"),
                                 100 * static_cast<double>(census.supervised) / static_cast<double>(census.tokens),
                                 counted(census.ends, "end-of-turn token"), format_count(census.longest));
  if (census.dropped > 0) text += fmt::format("; {} left out, longer than n_ctx", format_count(census.dropped));
  if (census.cut > 0) text += fmt::format("; {} cut to n_ctx", format_count(census.cut));
  if (census.without_answer > 0) text += fmt::format("; {} without an answer", format_count(census.without_answer));
  return text;
}

/// Refuses a source of which nothing can be trained on. `place` names it in messages.
void check_census(const ChatCensus& census, Index n_ctx, std::string_view place) {
  check(census.conversations > 0,
        "{}: none of its conversations can be used: {} longer than n_ctx {} (the longest has {}), "
        "{} without an answer; raise model.n_ctx, or set objective.too_long to \"cut\"",
        place, format_count(census.dropped), n_ctx, counted(census.longest, "token"),
        format_count(census.without_answer));
}

/// Returns the sources of data.mix with their part of an epoch, and reports them; none without data.mix.
std::vector<SourceCensus> mixed_sources(std::vector<SourceCensus> sources, const PackedBatches& batches) {
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
  load_chat(config, places, options, data);
  const Index n_ctx = config.model.n_ctx;
  const Conversations read = read_conversations(config.located_data(), config.directory);
  for (const std::string& warning : find_repeats(read)) warn("{}", warning);
  const ChatEncoding encoding{config.objective.supervise, config.objective.too_long, n_ctx};
  const auto encode = [&](const std::vector<ConversationSource>& sources) {
    return encode_sources(sources, *data.chat, *data.tokenizer, data.ids, encoding);
  };
  EncodedConversations train = encode(read.train), validation = encode(read.validation);
  for (const SourceCensus& source : train.sources()) {
    check_census(source.census, n_ctx, config.data.mix.empty() ? "data.train" : source.name);
  }
  inform("template {}; {}", name_of(data.chat->kind()), summary_of(train.census()));

  const BatchSizes sizes = planned_batch_sizes(config);
  const TrainConfig& settings = config.train;
  const Index rows = sizes.windows_per_micro_batch * n_ctx;
  data.runner = {.rows = rounded_up_rows(rows), .scored = rows, .backward = settings.recompute};
  data.census = train.census();
  data.training_tokens = train.census().tokens;
  data.held_out_tokens = validation.census().tokens;
  data.digest = digest_of(train, validation);
  const std::vector<SourceCensus> sources = train.sources();
  auto batches = std::make_unique<PackedBatches>(
      std::make_shared<ConversationExamples>(std::move(train)),
      PackingOptions{.rows = rows,
                     .micro_batches = settings.batch_size.all ? 0 : settings.gradient_accumulation,
                     .order = settings.order,
                     .seed = config.seed});
  data.sources = mixed_sources(sources, *batches);
  data.batches = std::move(batches);
  if (validation.size() > 0) {
    data.validation =
        std::make_unique<PackedEvaluation>(std::make_shared<ConversationExamples>(std::move(validation)),
                                           evaluation_rows(config.model), settings.most_evaluated_tokens(n_ctx));
  } else if (config.data.has_validation()) {
    warn("no conversation is held out, so there is no evaluation and no best checkpoint");
  }
  return data;
}

}  // namespace kiln
