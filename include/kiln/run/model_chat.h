// Determines the chat template of a model.
#pragma once

#include "kiln/run/model_loader.h"
#include "kiln/text/chat_template.h"

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace kiln {

/// Returns a model folder's template in Jinja: chat_template.jinja, or else that of tokenizer_config.json, or the one
/// named "default" there; empty if it has none. Warns if both files have one and they differ. Throws Error (bad_input)
/// for files that cannot be read.
std::string read_chat_template(const std::filesystem::path& folder);

/// Returns a folder's own template; nullopt if it has none. Throws as read_chat_template does.
std::optional<ChatTemplateSpec> folder_chat_template(const std::filesystem::path& folder);

/// Returns the model's own template for an export or a checkpoint of it; "" if it has none.
std::string chat_jinja_of(const LoadedModel& model);

/// Returns the choice, else the folder's own template; else chatml or llama3 if the vocabulary has its tokens; else
/// plain. Reports the latter two, and a choice in place of a foreign template. `key` ("--template") is what chooses.
/// Throws Error (usage) for a choice where the folder has another built-in template, and for `own` where it has none.
ChatTemplateSpec choose_chat_template(const std::optional<ChatTemplateKind>& choice,
                                      const std::filesystem::path& folder, const Tokenizer& tokenizer,
                                      std::string_view key);

/// Binds the template of a folder. Throws Error (usage) as ChatTemplate does; where the template is the model's own,
/// the message names the folder and `key`, which chooses another.
ChatTemplate bind_chat_template(const ChatTemplateSpec& spec, const Tokenizer& tokenizer, const SpecialIds& ids,
                                const std::filesystem::path& folder, std::string_view key);

/// Returns true if the model is a checkpoint of a run that was trained on conversations.
bool is_chat_run(const LoadedModel& model);

/// Returns the template to talk with, bound to the model's tokenizer (see choose_chat_template). Throws Error (usage)
/// for a choice that is not the template the model was finetuned with, and if a checkpoint was written by a kiln whose
/// template rendered otherwise; the message names both.
ChatTemplate chat_template_of(const LoadedModel& model, const std::optional<ChatTemplateKind>& choice,
                              std::string_view key);

/// Returns the tokenizer with the template's special tokens, at new ids where it lacks them.
std::unique_ptr<Tokenizer> with_chat_tokens(std::unique_ptr<Tokenizer> tokenizer, ChatTemplateKind kind);

}  // namespace kiln
