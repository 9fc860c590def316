// Loads a model to serve, with all that its requests need.
#pragma once

#include "kiln/run/model_loader.h"
#include "kiln/text/chat_template.h"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

namespace kiln {

/// Which model to serve, and how.
struct ModelChoice {
  std::string run;                                     // as load_model takes it
  std::optional<std::string> checkpoint = {};          // "latest", "best" or a step
  std::optional<Precision> precision = {};             // null: that of the run's training, else fp32
  std::optional<ChatTemplateKind> chat_template = {};  // null: the model's own
};

/// A model in memory. Immutable, so that any thread may read it; it lives as long as a request uses it.
class ServedModel {
 public:
  /// Loads the model. Throws as load_model and chat_template_of do.
  explicit ServedModel(const ModelChoice& choice);

  const ModelChoice& choice() const { return choice_; }
  const std::string& name() const {
    return name_;
  }  // the run's folder; of a checkpoint's folder, the run's and its own
  const std::filesystem::path& folder() const { return loaded_.source.folder; }  // of the checkpoint
  std::optional<std::int64_t> step() const { return step_; }                     // of a run's checkpoint
  std::int64_t created() const { return created_; }                              // seconds since 1970
  const std::string& fingerprint() const { return fingerprint_; }  // of a checkpoint: its manifest's XXH3; else ""
  const ModelConfig& config() const { return loaded_.model->config(); }
  const LoadedModel& loaded() const { return loaded_; }
  const Tokenizer& tokenizer() const { return *loaded_.tokenizer; }
  const ChatTemplate& chat() const { return chat_; }
  const SpecialIds& ids() const { return ids_; }
  ModelView view() const { return loaded_.view(); }

 private:
  ModelChoice choice_;
  LoadedModel loaded_;
  SpecialIds ids_;
  ChatTemplate chat_;
  std::string name_;
  std::optional<std::int64_t> step_;
  std::int64_t created_;
  std::string fingerprint_;
};

}  // namespace kiln
