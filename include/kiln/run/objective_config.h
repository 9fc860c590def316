// Configures what training minimises, and how conversations become tokens.
#pragma once

#include "kiln/core/fields.h"
#include "kiln/data/encoded_conversations.h"
#include "kiln/data/encoded_preferences.h"
#include "kiln/text/chat_template.h"

#include <array>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace kiln {

/// next_token: predict every token of a text; sft: the answers in conversations (supervised finetuning); dpo, ipo:
/// prefer the answers that people prefer; reward: score answers as people rank them; grpo, rloo, reinforce, ppo: write
/// answers with higher scores (presets of policy gradients).
enum class ObjectiveKind { next_token, sft, dpo, ipo, reward, grpo, rloo, reinforce, ppo };
inline constexpr std::array<std::string_view, 9> kObjectiveKinds{"next_token", "sft",  "dpo",       "ipo", "reward",
                                                                 "grpo",       "rloo", "reinforce", "ppo"};
inline std::span<const std::string_view> names_of(ObjectiveKind) { return kObjectiveKinds; }

/// Returns true for an objective whose data are judged answers.
constexpr bool is_of_preferences(ObjectiveKind kind) {
  return kind >= ObjectiveKind::dpo && kind <= ObjectiveKind::reward;
}
/// Returns true for a policy gradient, whose data are prompts.
constexpr bool is_of_policy(ObjectiveKind kind) { return kind >= ObjectiveKind::grpo; }
/// Returns true for an objective that holds a model close to a reference model.
constexpr bool has_reference(ObjectiveKind kind) {
  return kind == ObjectiveKind::dpo || kind == ObjectiveKind::ipo || is_of_policy(kind);
}
/// Returns true for an objective whose data are written by a chat template.
constexpr bool has_template(ObjectiveKind kind) { return kind != ObjectiveKind::next_token; }

struct ObjectiveConfig {
  ObjectiveKind type = ObjectiveKind::next_token;
  Supervise supervise = Supervise::assistant;
  TooLong too_long = TooLong::drop;
  double beta = 0.1;
  std::optional<std::string> reference = std::nullopt;
  double label_smoothing = 0;
  double nll_weight = 0;
  Ranking ranking = Ranking::pairs;
  WeightOf weight_of = WeightOf::prompt;

  /// Adds a problem for each field that the type does not allow.
  void validate(Problems& problems, const std::string& pointer) const;

  template <class V>
  void visit(V& v) {
    v("type", type,
      "next_token: predict every token of a text; sft: predict the answers in conversations (supervised finetuning); "
      "dpo, ipo: prefer the answers that people prefer; reward: a model that scores answers as people rank them; grpo, "
      "rloo, reinforce, ppo: write answers that are scored higher, by policy gradients (section policy)");
    v("supervise", supervise,
      "sft: tokens to predict; assistant: every answer and its end token; completion: only the last answer; all: every "
      "token");
    v("too_long", too_long,
      "sft: what to do with a conversation longer than n_ctx; drop: skip it; cut: remove its oldest turns");
    v("beta", beta,
      "dpo, ipo and policy gradients: how strongly the model is held to the reference; 0, of policy gradients: not at "
      "all",
      non_negative());
    v("reference", reference,
      "dpo, ipo and policy gradients: the model that answers are compared with; null: init_from");
    v("label_smoothing", label_smoothing, "dpo, reward: share of the pairs to take for wrongly judged",
      from_to_below(0, 0.5));
    v("nll_weight", nll_weight,
      "dpo, ipo: weight of the chosen answers' loss per token, which keeps their probability up", non_negative());
    v("ranking", ranking,
      "dpo, reward: what a ranking of several answers is compared by; pairs: each answer with each worse one "
      "(Bradley-Terry); plackett_luce: each answer with all worse ones together");
    v("weight_of", weight_of,
      "dpo, ipo, reward: what weighs 1 in the loss; prompt: all comparisons of a prompt together; comparison: each by "
      "itself");
  }
};

/// The choice of a template: automatic, or one of kChatTemplateKinds.
enum class ChatTemplateChoice { automatic, chatml, llama3, plain, own };
inline constexpr std::array<std::string_view, 5> kChatTemplateChoices{
    "auto", kChatTemplateKinds[0], kChatTemplateKinds[1], kChatTemplateKinds[2], kChatTemplateKinds[3]};
inline std::span<const std::string_view> names_of(ChatTemplateChoice) { return kChatTemplateChoices; }

struct ChatConfig {
  ChatTemplateChoice choice = ChatTemplateChoice::automatic;

  /// Returns the chosen template; nullopt for automatic.
  std::optional<ChatTemplateKind> kind() const {
    if (choice == ChatTemplateChoice::automatic) return std::nullopt;
    return static_cast<ChatTemplateKind>(static_cast<int>(choice) - 1);
  }
  void set(ChatTemplateKind kind) { choice = static_cast<ChatTemplateChoice>(static_cast<int>(kind) + 1); }

  template <class V>
  void visit(V& v) {
    v("template", choice,
      "format of conversations; chatml and llama3 have special tokens, which a new vocabulary reserves; plain: \"User: "
      "...\"; own: the one in Jinja that the model of init_from has; auto: that one, else the one whose tokens the "
      "vocabulary has, else plain");
  }
};

}  // namespace kiln
