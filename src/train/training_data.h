// Reads or creates the tokenizer and the tokens of a run.
#pragma once

#include "kiln/core/world.h"
#include "kiln/data/batch.h"
#include "kiln/data/encoded_preferences.h"
#include "kiln/nn/runner.h"
#include "kiln/run/config.h"
#include "kiln/run/model_source.h"
#include "kiln/text/chat_template.h"
#include "kiln/text/tokenizer.h"
#include "kiln/train/training_run.h"

#include <array>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace kiln {

struct PolicyData;
class Rollouts;

/// Everything that a run reads, made for its objective.
struct TrainingData {
  std::unique_ptr<Tokenizer> tokenizer;
  SpecialIds ids;                      // the tokens that begin and end texts
  std::optional<ChatTemplate> chat;    // of conversations
  std::shared_ptr<PolicyData> policy;  // of policy gradients: prompts and rewards
  std::unique_ptr<BatchSource> batches;
  Rollouts* rollouts = nullptr;                  // the batches, of policy gradients
  std::unique_ptr<EvaluationSource> validation;  // null if nothing is held out
  RunnerOptions runner;                          // memory for a micro-batch
  Index training_tokens = 0, held_out_tokens = 0;
  std::uint64_t digest = 0;           // of all tokens
  Index known_entries = 0;            // of the tokenizer, before the chat template added tokens; 0: it added none
  std::optional<ChatCensus> census;   // of the conversations to train on
  std::vector<SourceCensus> sources;  // of data.mix
  std::shared_ptr<EncodedPreferences> preferences, held_out_preferences;  // judged answers, which the batches hold too

  /// Returns the tokens that a sample continues: of a text, or of a conversation in which the user said it.
  std::vector<TokenId> prompt(const std::string& text) const;
};

/// The files of a run that its data may come from.
struct DataPlaces {
  std::optional<std::filesystem::path> checkpoint;  // that the run resumes from, verified
  std::optional<ModelSource> base;                  // the model of init_from, if the run starts from it
  std::filesystem::path cache;                      // folder of the run's tokens
  Index parts = 1;                                  // that share a step
  World* world = &World::alone();
};

/// Returns the data of the config's objective, and stores the names of the tokens that begin and end texts in the
/// config, so that a resume has the same. Reports signs of unintended text. Throws Error as TrainingRun does.
TrainingData load_training_data(Config& config, const DataPlaces& places, const ResumeOptions& options);

/// The objectives, and how each loads its data. A new one is a file like conversation_data.cpp and a line in this
/// table.
struct Task {
  ObjectiveKind objective;
  TrainingData (*load)(Config& config, const DataPlaces& places, const ResumeOptions& options);
};
extern const std::array<Task, kObjectiveKinds.size()> kTasks;

TrainingData load_text(Config& config, const DataPlaces& places, const ResumeOptions& options);
TrainingData load_conversations(Config& config, const DataPlaces& places, const ResumeOptions& options);
TrainingData load_preferences(Config& config, const DataPlaces& places, const ResumeOptions& options);
TrainingData load_prompts(Config& config, const DataPlaces& places, const ResumeOptions& options);

/// Returns the checkpoint's tokenizer. One that the config names by path must be the same, with the tokens of the
/// config's chat template, unless `force`.
std::unique_ptr<Tokenizer> resumed_tokenizer(const Config& config, const std::filesystem::path& checkpoint, bool force);

/// Returns the tokens that begin and end texts in the model or tokenizer that the run starts from; none if the run has
/// another tokenizer.
NamedTokens named_tokens(const Config& config, const DataPlaces& places, const Tokenizer& tokenizer);

}  // namespace kiln
