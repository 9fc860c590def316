// Reads a folder's Jinja template, and adds special tokens to a tokenizer.
#include "kiln/run/model_chat.h"

#include "kiln/core/error.h"
#include "kiln/core/file.h"
#include "kiln/core/json.h"
#include "kiln/core/report.h"
#include "kiln/run/checkpoint.h"
#include "kiln/text/tokenizer_json.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <string>
#include <utility>

namespace kiln {

namespace {

/// Returns tokenizer_config.json; an empty object if the folder has none.
Json tokenizer_config(const std::filesystem::path& folder) {
  const auto file = folder / kTokenizerConfigFile;
  Json config = Json::object();
  if (path_exists(file)) config = parse_json(read_file(file), file.string(), ExitCode::bad_input);
  return config.is_object() ? config : Json::object();
}

/// Returns the template in tokenizer_config.json, or of its list of named templates the one called "default".
std::string configured_template(const Json& config) {
  const Json jinja = config.value("chat_template", Json());
  if (jinja.is_string()) return jinja.get<std::string>();
  if (!jinja.is_array()) return "";
  for (const Json& named : jinja) {
    if (named.is_object() && named.value("name", Json()) == "default" && named.value("template", Json()).is_string())
      return named["template"].get<std::string>();
  }
  return "";
}

/// Returns the text of a token in tokenizer_config.json: a string, or an object that holds it; "" if it has none.
std::string configured_token(const Json& config, const char* name) {
  const Json token = config.value(name, Json());
  const Json text = token.is_object() ? token.value("content", Json()) : token;
  return text.is_string() ? text.get<std::string>() : "";
}

std::string_view without_line_end(std::string_view text) {
  return text.substr(0, text.size() - (text.ends_with('\n') ? 1 : 0));
}

/// Returns the template for a model that has none: chatml or llama3 if the vocabulary has its tokens, else plain.
ChatTemplateKind template_of_vocabulary(const Tokenizer& tokenizer, std::string_view key) {
  for (const ChatTemplateKind kind : {ChatTemplateKind::chatml, ChatTemplateKind::llama3}) {
    const auto has = [&](const std::string& token) { return tokenizer.special(token).has_value(); };
    if (!std::ranges::all_of(chat_special_tokens(kind), has)) continue;
    inform("the model has no chat template: using \"{}\", whose tokens its vocabulary has, see {}", name_of(kind), key);
    return kind;
  }
  inform("the vocabulary has no tokens of a chat template: using \"plain\" (\"User: ...\", \"Assistant: ...\"), see {}",
         key);
  return ChatTemplateKind::plain;
}

}  // namespace

std::string read_chat_template(const std::filesystem::path& folder) {
  if (!is_folder(folder)) return "";
  std::string configured = configured_template(tokenizer_config(folder));
  const auto file = folder / kChatTemplateFile;
  if (!path_exists(file)) return configured;
  std::string jinja = read_file(file);
  if (!configured.empty() && without_line_end(configured) != without_line_end(jinja)) {
    warn("{}: {} holds another chat template; using that of {}", folder.string(), kTokenizerConfigFile,
         kChatTemplateFile);
  }
  return jinja;
}

std::optional<ChatTemplateSpec> folder_chat_template(const std::filesystem::path& folder) {
  const std::string jinja = read_chat_template(folder);
  if (jinja.empty()) return std::nullopt;
  const Json config = tokenizer_config(folder);
  return chat_template_of_jinja(
      jinja, {.start = configured_token(config, "bos_token"), .end = configured_token(config, "eos_token")});
}

std::string chat_jinja_of(const LoadedModel& model) {
  const std::optional<ChatTemplateSpec> own = folder_chat_template(model.source.text_folder());
  return own ? written_jinja(*own, *model.tokenizer, model.ids()) : "";
}

ChatTemplateSpec choose_chat_template(const std::optional<ChatTemplateKind>& choice,
                                      const std::filesystem::path& folder, const Tokenizer& tokenizer,
                                      std::string_view key) {
  const std::optional<ChatTemplateSpec> own = folder_chat_template(folder);
  if (!choice) return own ? *own : ChatTemplateSpec{.kind = template_of_vocabulary(tokenizer, key)};
  const bool is_foreign = own && own->kind == ChatTemplateKind::own;
  check(own || choice != ChatTemplateKind::own,
        "{} own: {} has no chat template of its own; leave the choice out, or choose chatml, llama3 or plain", key,
        folder.empty() ? "the model" : folder.string());
  check(!own || is_foreign || own->kind == *choice, "{} {}: {} has the template {}; leave the choice out", key,
        name_of(*choice), folder.string(), name_of(own ? own->kind : *choice));
  if (!is_foreign) return {.kind = *choice};
  if (*choice == ChatTemplateKind::own) return *own;
  inform("{}: using the template {} in place of the model's own", folder.string(), name_of(*choice));
  return {.kind = *choice};
}

ChatTemplate bind_chat_template(const ChatTemplateSpec& spec, const Tokenizer& tokenizer, const SpecialIds& ids,
                                const std::filesystem::path& folder, std::string_view key) {
  if (spec.kind != ChatTemplateKind::own) return {spec, tokenizer, ids};
  try {
    return {spec, tokenizer, ids};
  } catch (const Error& error) {
    fail(ExitCode::usage, "{}: {}; choose chatml, llama3 or plain with {}", folder.string(), error.what(), key);
  }
}

bool is_chat_run(const LoadedModel& model) {
  return model.source.config && has_template(model.source.config->objective.type);
}

ChatTemplate chat_template_of(const LoadedModel& model, const std::optional<ChatTemplateKind>& choice,
                              std::string_view key) {
  const std::filesystem::path folder = model.source.text_folder();
  const bool is_run = is_chat_run(model);
  const std::optional<ChatTemplateKind> own = is_run ? model.source.config->chat.kind() : std::nullopt;
  check(!own || !choice || own == choice, "{} {}: {} was finetuned with the template {}; leave the choice out", key,
        name_of(choice.value_or(ChatTemplateKind::plain)), folder.string(),
        name_of(own.value_or(ChatTemplateKind::plain)));
  const ChatTemplateSpec spec = own && own != ChatTemplateKind::own
                                    ? ChatTemplateSpec{.kind = *own}
                                    : choose_chat_template(own ? own : choice, folder, *model.tokenizer, key);
  ChatTemplate chat = bind_chat_template(spec, *model.tokenizer, model.ids(), folder, key);
  if (!is_run) return chat;
  const std::uint64_t hash = read_trainer_state(folder).chat_template;
  check(hash == 0 || hash == chat.hash(),
        "{}: was finetuned with another form of the template {} (hash {:016x}) than this kiln has (hash {:016x}); use "
        "the version of kiln that made it",
        folder.string(), name_of(spec.kind), hash, chat.hash());
  return chat;
}

std::unique_ptr<Tokenizer> with_chat_tokens(std::unique_ptr<Tokenizer> tokenizer, ChatTemplateKind kind) {
  Json json;
  for (const std::string& token : chat_special_tokens(kind)) {
    if (tokenizer->special(token)) continue;
    if (json.is_null()) json = tokenizer->to_json();
    Json added = {{"id", tokenizer->vocab_size()},
                  {"content", token},
                  {"single_word", false},
                  {"lstrip", false},
                  {"rstrip", false},
                  {"normalized", false},
                  {"special", true}};
    json["added_tokens"].push_back(std::move(added));
    tokenizer = read_tokenizer_json(json.dump(), "the tokenizer with the chat template's tokens");
  }
  return tokenizer;
}

}  // namespace kiln
