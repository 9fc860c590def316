// Loads the prompts and the rewards of policy gradients.
#include "train/policy_data.h"

#include "kiln/core/error.h"
#include "kiln/core/format.h"
#include "kiln/core/hash.h"
#include "kiln/core/report.h"
#include "kiln/data/conversation.h"
#include "kiln/data/source_files.h"
#include "kiln/train/train_step.h"

#include <fmt/format.h>

#include "train/chat_data.h"
#include "train/text_rewards.h"
#include <algorithm>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>

namespace kiln {
namespace {

constexpr Index kMostHeldOut = 256;  // prompts of an evaluation

std::vector<ChatPrompt> read_prompt_files(const std::vector<std::string>& names, std::string_view key,
                                          const Config& config, std::vector<std::filesystem::path>& files) {
  const DataConfig& data = config.data;
  const std::vector<std::string>& include = data.include == kIncludedNames ? kConversationNames : data.include;
  files = find_source_files(names, key, config.directory, include).files;
  std::vector<ChatPrompt> prompts;
  for (const std::filesystem::path& file : files) {
    std::vector<ChatPrompt> more = read_chat_prompts(file);
    std::ranges::move(more, std::back_inserter(prompts));
  }
  return prompts;
}

/// Reads data.train and data.validation, or else holds out the last prompts of data.train.
std::pair<std::vector<ChatPrompt>, std::vector<ChatPrompt>> read_prompts(const Config& config) {
  const DataConfig data = config.located_data();
  std::vector<std::filesystem::path> trained_on, held_out_files;
  std::vector<ChatPrompt> train = read_prompt_files(data.train, "data.train", config, trained_on), held_out;
  if (!data.validation.empty()) {
    held_out = read_prompt_files(data.validation, "data.validation", config, held_out_files);
    check_held_out(trained_on, held_out_files);
    return {std::move(train), std::move(held_out)};
  }
  const auto count = static_cast<Index>(data.validation_fraction * static_cast<double>(train.size()));
  held_out.assign(std::make_move_iterator(train.end() - count), std::make_move_iterator(train.end()));
  train.erase(train.end() - count, train.end());
  return {std::move(train), std::move(held_out)};
}

EncodedPrompts encode(std::vector<ChatPrompt> prompts, const ChatTemplate& chat, Index n_ctx) {
  EncodedPrompts encoded;
  for (ChatPrompt& prompt : prompts) {
    Prompt tokens = at_place(prompt.place, [&] { return chat.prompt(prompt.messages); });
    if (std::ssize(tokens) >= n_ctx) {
      ++encoded.too_long;
      continue;
    }
    encoded.count += std::ssize(tokens);
    encoded.tokens.push_back(std::move(tokens));
    encoded.prompts.push_back(std::move(prompt));
  }
  return encoded;
}

std::string summary_of(const EncodedPrompts& encoded) {
  std::string text =
      fmt::format("{}, {}", counted(std::ssize(encoded.tokens), "prompt"), counted(encoded.count, "token"));
  if (encoded.too_long > 0) text += fmt::format("; {} left out, as long as n_ctx", format_count(encoded.too_long));
  return text;
}

/// Throws Error (usage) if a reward needs an expected answer that a prompt lacks.
void check_expected(const EncodedPrompts& prompts, const std::vector<RewardConfig>& rewards) {
  for (const RewardConfig& reward : rewards) {
    if (reward.type != RewardKind::exact && reward.type != RewardKind::number) continue;
    for (const ChatPrompt& prompt : prompts.prompts) {
      const bool is_given = !trim_content(prompt.expected).empty() &&
                            (reward.type == RewardKind::exact || last_number(prompt.expected).has_value());
      check(is_given,
            "{}: has no expected answer{}, which the reward \"{}\" compares with; give \"completion\" or \"answer\"",
            prompt.place, reward.type == RewardKind::number ? " with a number" : "", reward.shown_name());
    }
  }
}

std::vector<RewardConfig> located(const Config& config, std::vector<RewardConfig> rewards) {
  for (RewardConfig& reward : rewards) {
    if (reward.path) reward.path = config.locate(*reward.path).string();
  }
  return rewards;
}

std::uint64_t digest_of(const PolicyData& policy) {
  std::uint64_t digest = 0;
  for (const EncodedPrompts* part : {&policy.train, &policy.held_out}) {
    for (std::size_t i = 0; i < part->tokens.size(); ++i) {
      const auto bytes = std::as_bytes(std::span(part->tokens[i]));
      digest = hash_bytes({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, digest);
      digest = hash_bytes(part->prompts[i].expected, digest);
    }
  }
  return digest;
}

}  // namespace

HeldOutPrompts::HeldOutPrompts(const EncodedPrompts& prompts, Index max_tokens)
    : prompts_(prompts.tokens), tokens_(prompts.count + max_tokens * std::ssize(prompts.tokens)) {}

void HeldOutPrompts::fill(Index i, Batch& batch) const {
  batch.clear();
  batch.rows.append(prompts_[static_cast<std::size_t>(i)]);
}

TrainingData load_prompts(Config& config, const DataPlaces& places, const ResumeOptions& options) {
  const std::string type(name_of(config.objective.type));
  check(config.init_from.has_value(),
        "init_from: is missing; objective.type {} tunes a model that was finetuned on conversations", type);
  TrainingData data;
  load_chat(config, places, options, data);
  check(data.known_entries == 0,
        "{}: its vocabulary lacks the tokens of the template {}, so it was not finetuned with it; finetune it first "
        "(objective.type sft), or choose the template plain",
        config.init_from.value_or(""), name_of(data.chat->kind()));
  data.policy = std::make_shared<PolicyData>();
  PolicyData& policy = *data.policy;
  const Index n_ctx = config.model.n_ctx;
  auto [train, held_out] = read_prompts(config);
  policy.train = encode(std::move(train), *data.chat, n_ctx);
  check(!policy.train.tokens.empty(),
        "data.train: holds no prompt shorter than n_ctx {} ({} left out); raise model.n_ctx", n_ctx,
        format_count(policy.train.too_long));
  if (std::ssize(held_out) > kMostHeldOut) {
    held_out.erase(held_out.begin() + kMostHeldOut, held_out.end());
  }
  policy.held_out = encode(std::move(held_out), *data.chat, n_ctx);
  inform("template {}; {}; held out: {}", name_of(data.chat->kind()), summary_of(policy.train),
         summary_of(policy.held_out));

  for (const auto* rewards : {&config.policy.rewards, &config.policy.gold}) check_expected(policy.held_out, *rewards);
  check_expected(policy.train, config.policy.rewards);

  const Precision precision = resolved(config.train.precision);
  const PolicyConfig& settings = config.policy;
  policy.rewards =
      std::make_unique<Rewards>(located(config, settings.rewards), settings.max_tokens, precision, *places.world);
  if (!settings.gold.empty()) {
    policy.gold =
        std::make_unique<Rewards>(located(config, settings.gold), settings.max_tokens, precision, *places.world);
  }
  policy.scoring.emplace(policy.train.prompts, *data.tokenizer, *policy.rewards);
  const Index rows = planned_batch_sizes(config).windows_per_micro_batch * n_ctx;
  std::vector<TokenId> ends = data.ids.ends;
  ends.push_back(data.chat->end_of_turn());
  auto rollouts = std::make_unique<Rollouts>(
      policy.train.tokens,
      RolloutOptions{.policy = settings,
                     .kl_weight = config.objective.beta,
                     .rows = rows,
                     .end_tokens = std::move(ends),
                     .order = config.train.order,
                     .seed = config.seed,
                     .world = places.world},
      [&scoring = *policy.scoring](std::span<const Episode> episodes, const WhileWaiting& while_waiting) {
        return scoring.score(episodes, while_waiting);
      });
  data.rollouts = rollouts.get();
  data.batches = std::move(rollouts);
  data.runner = {.rows = rounded_up_rows(rows), .scored = rows, .backward = config.train.recompute};
  data.training_tokens = policy.train.count;
  data.held_out_tokens = policy.held_out.count;
  data.digest = digest_of(policy);
  if (!policy.held_out.tokens.empty()) {
    data.validation = std::make_unique<HeldOutPrompts>(policy.held_out, settings.max_tokens);
  } else if (config.data.has_validation()) {
    warn("no prompt is held out, so there is no evaluation and no best checkpoint");
  }
  return data;
}

}  // namespace kiln
