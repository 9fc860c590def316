// Loads judged answers for preference losses and reward models.
#include "kiln/core/error.h"
#include "kiln/core/format.h"
#include "kiln/core/report.h"
#include "kiln/data/conversation.h"
#include "kiln/data/encoded_preferences.h"
#include "kiln/data/judgements.h"
#include "kiln/train/train_step.h"

#include <fmt/format.h>

#include "train/chat_data.h"
#include <algorithm>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace kiln {
namespace {

constexpr Index kFewComparisons = 2000;  // fewer teach a model little (arXiv:2210.10760)

/// The judged prompts of a config's data.
struct JudgedData {
  JudgedPrompts train, held_out;
};

JudgedPrompts read_files(const std::vector<std::string>& names, std::string_view key, const Config& config,
                         std::vector<std::filesystem::path>& files) {
  const DataConfig& data = config.data;
  const std::vector<std::string>& include = data.include == kIncludedNames ? kConversationNames : data.include;
  files = find_source_files(names, key, config.directory, include).files;
  return read_judgements(files);
}

/// Warns of prompts that are held out and trained on, such as those of a copied file.
void warn_of_shared_prompts(const JudgedData& read) {
  const Index shared = count_shared(read.held_out.prompts, read.train.prompts);
  if (shared == 0) return;
  warn(
      "data.validation: data.train holds {} of its {} too, so the evaluation says little about other prompts; remove "
      "them from one of the two",
      format_count(shared), counted(std::ssize(read.held_out.prompts), "prompt"));
}

/// Reads data.train and data.validation, or else holds out the last prompts of data.train.
JudgedData read_judged_data(const Config& config) {
  const DataConfig data = config.located_data();
  std::vector<std::filesystem::path> trained_on, held_out;
  JudgedData read;
  read.train = read_files(data.train, "data.train", config, trained_on);
  if (!data.validation.empty()) {
    read.held_out = read_files(data.validation, "data.validation", config, held_out);
    check_held_out(trained_on, held_out);
    warn_of_shared_prompts(read);
    return read;
  }
  std::vector<JudgedPrompt>& all = read.train.prompts;
  const auto count = static_cast<Index>(data.validation_fraction * static_cast<double>(all.size()));
  const auto tail = std::make_move_iterator(all.end() - count);
  read.held_out.prompts.assign(tail, std::make_move_iterator(all.end()));
  all.erase(all.end() - count, all.end());
  return read;
}

std::string summary_of(const PreferenceCensus& census) {
  std::string text = fmt::format("{}, {}, {}, {}, longest {}", counted(census.prompts, "prompt"),
                                 counted(census.answers, "answer"), counted(census.comparisons, "comparison"),
                                 counted(census.tokens, "token"), format_count(census.longest));
  const auto add = [&](Index count, std::string_view noun, std::string_view what) {
    if (count > 0) text += fmt::format("; {} {}", counted(count, noun), what);
  };
  add(census.ties, "comparison", "without a winner (ties)");
  add(census.cut, "prompt", "cut at the beginning to n_ctx");
  add(census.too_long, "answer", "left out, longer than n_ctx");
  add(census.empty, "answer", "left out, empty");
  add(census.equal, "comparison", "of equal answers left out");
  add(census.left_out, "prompt", "without a comparison");
  return text;
}

void check_census(const PreferenceCensus& census, Index n_ctx) {
  check(census.comparisons > 0,
        "data.train: holds no two answers to compare: {} longer than n_ctx {} (the longest has {} with its "
        "prompt), {} empty, {} without a comparison; raise model.n_ctx, or let somebody rank the "
        "answers (kiln rank)",
        counted(census.too_long, "answer"), n_ctx, counted(census.longest, "token"), format_count(census.empty),
        counted(census.left_out, "prompt"));
}

/// Warns if there is too little to learn from.
void warn_of_few(const Config& config, const PreferenceCensus& census) {
  if (config.objective.type == ObjectiveKind::reward && census.comparisons < kFewComparisons) {
    warn("{}: a reward model usually learns little from fewer than {} (arXiv:2210.10760)",
         counted(census.comparisons, "comparison"), format_count(kFewComparisons));
  }
}

PreferenceEncoding encoding_of(const Config& config, Index rows) {
  const ObjectiveConfig& objective = config.objective;
  return {.ranking = objective.ranking,
          .weight_of = objective.weight_of,
          .scored = objective.type == ObjectiveKind::reward ? ScoredRows::last : ScoredRows::before_each_token,
          .n_ctx = config.model.n_ctx,
          .rows = rows};
}

std::uint64_t digest_of(const EncodedPreferences& train, const EncodedPreferences& held_out) {
  const std::uint64_t digests[] = {train.digest(), held_out.digest()};
  return hash_bytes({reinterpret_cast<const char*>(digests), sizeof digests});
}

}  // namespace

TrainingData load_preferences(Config& config, const DataPlaces& places, const ResumeOptions& options) {
  check(config.init_from || !has_reference(config.objective.type),
        "init_from: is missing; objective.type {} tunes a model that was finetuned on conversations",
        kObjectiveKinds[static_cast<std::size_t>(config.objective.type)]);
  TrainingData data;
  load_chat(config, places, options, data);
  check(data.known_entries == 0 || !has_reference(config.objective.type),
        "{}: its vocabulary lacks the tokens of the template {}, so it was not finetuned with it; finetune it first "
        "(objective.type sft), or choose the template plain",
        config.init_from.value_or(""), name_of(data.chat->kind()));
  const JudgedData read = read_judged_data(config);
  warn_of_skipped(read.train.census, "data.train");
  warn_of_skipped(read.held_out.census, "data.validation");
  const TrainConfig& settings = config.train;
  const Index rows = planned_batch_sizes(config).windows_per_micro_batch * config.model.n_ctx;
  const PreferenceEncoding encoding = encoding_of(config, rows);
  data.preferences = encode_preferences(read.train.prompts, *data.chat, encoding);
  data.held_out_preferences = encode_preferences(read.held_out.prompts, *data.chat, encoding);
  const PreferenceCensus& census = data.preferences->census();
  check_census(census, config.model.n_ctx);
  inform("template {}; {}", name_of(data.chat->kind()), summary_of(census));
  warn_of_few(config, census);

  data.runner = {.rows = rounded_up_rows(rows), .scored = rows, .backward = settings.recompute};
  data.training_tokens = census.tokens;
  data.held_out_tokens = data.held_out_preferences->census().tokens;
  data.digest = digest_of(*data.preferences, *data.held_out_preferences);
  data.batches = std::make_unique<PackedBatches>(
      data.preferences, PackingOptions{.rows = rows,
                                       .micro_batches = settings.batch_size.all ? 0 : settings.gradient_accumulation,
                                       .order = settings.order,
                                       .seed = config.seed});
  if (data.held_out_preferences->size() > 0) {
    inform("held out: {}", summary_of(data.held_out_preferences->census()));
    data.validation = std::make_unique<PackedEvaluation>(data.held_out_preferences, rows,
                                                         settings.most_evaluated_tokens(config.model.n_ctx));
  } else if (config.data.has_validation()) {
    warn("no judged answers are held out, so there is no evaluation and no best checkpoint");
  }
  return data;
}

}  // namespace kiln
