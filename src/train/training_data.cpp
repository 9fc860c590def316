// Chooses the task of the config's objective, and finds tokenizer and ends for all tasks.
#include "train/training_data.h"

#include "kiln/core/error.h"
#include "kiln/core/file.h"
#include "kiln/core/report.h"
#include "kiln/infer/prompt.h"
#include "kiln/run/model_chat.h"
#include "kiln/run/model_loader.h"
#include "kiln/text/tokenizer_json.h"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace kiln {

const std::array<Task, kObjectiveKinds.size()> kTasks{{
    {ObjectiveKind::next_token, load_text},
    {ObjectiveKind::sft, load_conversations},
    {ObjectiveKind::dpo, load_preferences},
    {ObjectiveKind::ipo, load_preferences},
    {ObjectiveKind::reward, load_preferences},
    {ObjectiveKind::grpo, load_prompts},
    {ObjectiveKind::rloo, load_prompts},
    {ObjectiveKind::reinforce, load_prompts},
    {ObjectiveKind::ppo, load_prompts},
}};

TrainingData load_training_data(Config& config, const DataPlaces& places, const ResumeOptions& options) {
  return std::ranges::find(kTasks, config.objective.type, &Task::objective)->load(config, places, options);
}

std::vector<TokenId> TrainingData::prompt(const std::string& text) const {
  if (chat) return chat->prompt(std::array{ChatMessage{ChatRole::user, text}});
  return encode_prompt(*tokenizer, ids, text);
}

std::unique_ptr<Tokenizer> resumed_tokenizer(const Config& config, const std::filesystem::path& checkpoint,
                                             bool force) {
  std::unique_ptr<Tokenizer> tokenizer = load_tokenizer(checkpoint);
  const std::optional<std::string> path = config.located_tokenizer().path;
  if (path && !path_exists(*path)) {
    inform("{}: does not exist; using the tokenizer of {}", *path, checkpoint.string());
  } else if (path && force) {
    warn("{}: is ignored; using the tokenizer of {}", *path, checkpoint.string());
  } else if (path) {
    std::unique_ptr<Tokenizer> named = load_tokenizer(*path);
    if (const auto kind = config.chat.kind(); kind && has_template(config.objective.type))
      named = with_chat_tokens(std::move(named), *kind);
    check(named->to_json() == tokenizer->to_json(),
          "{}: the tokenizer is not the one that {} was trained with; restore that one, continue with the checkpoint's "
          "by --force-tokenizer, or start another run with --run DIR",
          *path, checkpoint.string());
  }
  return tokenizer;
}

NamedTokens named_tokens(const Config& config, const DataPlaces& places, const Tokenizer& tokenizer) {
  if (places.checkpoint) return read_named_tokens(*places.checkpoint, tokenizer.vocab_size());
  if (places.base) {
    const std::unique_ptr<Tokenizer> own = own_tokenizer(*places.base);
    if (own && own->to_json() == tokenizer.to_json()) {
      warn_of_unknown_ids(places.base->text_folder(), tokenizer.vocab_size());
      return places.base->named;
    }
  }
  const std::optional<std::string> path = config.located_tokenizer().path;
  return path && is_folder(*path) ? read_token_names(*path) : NamedTokens();
}

}  // namespace kiln
