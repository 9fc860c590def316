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

/// Returns the choice. Throws Error (usage) if the folder has another template.
ChatTemplateKind checked_choice(ChatTemplateKind choice, const std::filesystem::path& folder, std::string_view key) {
  const std::optional<ChatRecognition> own = recognise_folder_template(folder);
  const ChatTemplateKind kind = own && own->kind ? *own->kind : choice;
  check(kind == choice, "{} {}: {} has the template {}; leave the choice out", key, name_of(choice), folder.string(),
        name_of(kind));
  return choice;
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

std::optional<ChatRecognition> recognise_folder_template(const std::filesystem::path& folder) {
  const std::string jinja = read_chat_template(folder);
  if (jinja.empty()) return std::nullopt;
  const Json config = tokenizer_config(folder);
  return recognise_chat_template(
      jinja, {.start = configured_token(config, "bos_token"), .end = configured_token(config, "eos_token")});
}

std::optional<ChatTemplateKind> folder_chat_template(const std::filesystem::path& folder, std::string_view key) {
  const std::optional<ChatRecognition> own = recognise_folder_template(folder);
  if (!own) return std::nullopt;
  check(own->kind.has_value(),
        "{}: its chat template is not one of kiln's: {}; choose the closest of chatml, llama3 and plain with {}",
        folder.string(), own->obstacle, key);
  if (!own->writes_tools) {
    inform("{}: its chat template is {}, but for messages of tools, which kiln writes as {} does", folder.string(),
           name_of(*own->kind), name_of(*own->kind));
  }
  return own->kind;
}

ChatTemplateKind model_chat_template(const std::filesystem::path& folder, const Tokenizer& tokenizer,
                                     std::string_view key) {
  if (const auto kind = folder_chat_template(folder, key)) return *kind;
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
  const ChatTemplateKind kind = own      ? *own
                                : choice ? checked_choice(*choice, folder, key)
                                         : model_chat_template(folder, *model.tokenizer, key);
  ChatTemplate chat(kind, *model.tokenizer, model.ids());
  if (!is_run) return chat;
  const std::uint64_t hash = read_trainer_state(folder).chat_template;
  check(hash == 0 || hash == chat.hash(),
        "{}: was finetuned with another form of the template {} (hash {:016x}) than this kiln has (hash {:016x}); use "
        "the version of kiln that made it",
        folder.string(), name_of(kind), hash, chat.hash());
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
