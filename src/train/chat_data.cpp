// Finds a run's tokenizer and chat template, and adds the template's tokens to the vocabulary.
#include "train/chat_data.h"

#include "kiln/core/error.h"
#include "kiln/core/format.h"
#include "kiln/core/report.h"
#include "kiln/run/model_chat.h"
#include "kiln/run/model_loader.h"

#include <fmt/format.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace kiln {
namespace {

constexpr const char* kTemplateKey = "chat.template";

/// Returns the tokenizer of the model that the run starts from, before tokens are added to it.
std::unique_ptr<Tokenizer> starting_tokenizer(const Config& config) {
  const bool would_learn =
      (config.tokenizer.type == TokenizerKind::bpe || config.tokenizer.type == TokenizerKind::character) &&
      !config.tokenizer.path;
  check(!would_learn,
        "objective.type {}: needs the tokenizer of a trained model: name the model by init_from, or a tokenizer by "
        "tokenizer.path",
        kObjectiveKinds[static_cast<std::size_t>(config.objective.type)]);
  return make_tokenizer(config.located_tokenizer(), {});
}

/// Returns the folder with the chat template: the checkpoint that the run resumes from, else the model it starts from.
std::filesystem::path template_folder(const DataPlaces& places) {
  if (places.checkpoint) return *places.checkpoint;
  return places.base ? places.base->text_folder() : std::filesystem::path();
}

}  // namespace

void load_chat(Config& config, const DataPlaces& places, const ResumeOptions& options, TrainingData& data) {
  data.tokenizer = places.checkpoint ? resumed_tokenizer(config, *places.checkpoint, options.force_tokenizer)
                                     : starting_tokenizer(config);
  const NamedTokens named = named_tokens(config, places, *data.tokenizer);
  const std::filesystem::path folder = template_folder(places);
  const ChatTemplateSpec spec = choose_chat_template(config.chat.kind(), folder, *data.tokenizer, kTemplateKey);
  const Index entries = data.tokenizer->vocab_size();
  if (places.base) check_tokenizer_fits(*data.tokenizer, places.base->vocab_size, *config.init_from);
  data.tokenizer = with_chat_tokens(std::move(data.tokenizer), spec.kind);
  if (const Index added = data.tokenizer->vocab_size() - entries; added > 0 && places.base) {
    data.known_entries = entries;
    inform("the vocabulary lacks {} of the template {}; they begin as the mean of the embedding",
           counted(added, "token"), name_of(spec.kind));
  }
  config.chat.set(spec.kind);
  const auto bound = [&](const SpecialIds& ids) {
    return bind_chat_template(spec, *data.tokenizer, ids, folder, kTemplateKey);
  };
  if (spec.kind != ChatTemplateKind::plain && !config.tokenizer.end_of_text)
    config.tokenizer.end_of_text = data.tokenizer->token_bytes(bound({}).end_of_turn());
  data.ids = special_ids(*data.tokenizer, config.tokenizer, named);
  config.tokenizer = with_names(config.tokenizer, *data.tokenizer, data.ids);
  data.chat = bound(data.ids);
  if (!data.chat->continues_prompts()) {
    warn(
        "{}: its chat template writes other text before an answer than in a prompt, so what is trained on differs a "
        "little from what is asked later",
        folder.string());
  }
}

}  // namespace kiln
