// A config.json from elsewhere, beside weights and a tokenizer that are sound: a model comes of it as large as its
// weights, or an error.
#include "kiln/core/rng.h"
#include "kiln/interop/huggingface.h"
#include "kiln/run/model_loader.h"
#include "kiln/text/none_tokenizer.h"
#include "kiln/text/tokenizer_json.h"

#include <nlohmann/json.hpp>

#include "support/small_models.h"
#include "target.h"

namespace kiln::fuzz {
namespace {

/// A folder for each family.
class ModelFolders : public Folder {
 public:
  ModelFolders() {
    write("gpt2", testing::small_gpt2());
    write("llama", testing::small_llama());
    write("kiln", testing::small_modern());
    write("SequenceClassification", testing::scoring(testing::small_gpt2()));
  }

  /// The one whose family or head the text names, so that its weights may fit.
  std::filesystem::path of(std::string_view text) const {
    for (const char* family : {"SequenceClassification", "llama", "kiln"}) {
      if (text.find(family) != std::string_view::npos) return path() / family;
    }
    return path() / "gpt2";
  }

 private:
  void write(const char* family, const ModelConfig& config) const {
    const testing::SmallModel small(config);
    std::filesystem::create_directories(path() / family);
    const std::string tokenizer = format_tokenizer_json(NoneTokenizer(testing::kSmallVocabulary));
    write_huggingface_folder(path() / family, small.config(), testing::kSmallVocabulary, small.weights,
                             {.tokenizer = tokenizer, .config = "", .ids = {}});
  }
};

}  // namespace

void fuzz_model_folder(std::string_view input) {
  static const ModelFolders folders;
  const std::filesystem::path folder = folders.of(input);
  folders.put((folder / "config.json").string(), input);
  const LoadedModel loaded = load_model(folder.string(), {}, ModelKind::either);
  const ModelConfig& config = loaded.model->config();
  require(loaded.source.vocab_size == testing::kSmallVocabulary && config.d_model == 8, "a model of other sizes");
  const SpecialIds ids = loaded.ids();
  std::vector<TokenId> named = ids.ends;
  named.push_back(ids.begin.value_or(0));
  for (const TokenId id : named) require(id >= 0 && id < loaded.source.vocab_size, "token {}", id);
  folders.put((folder / "config.json").string(), huggingface_config(config, loaded.source.vocab_size, ids).dump());
  const ModelDescription again = must([&] { return read_huggingface_config(folder); });
  require(again.model.head == config.head, "another head");
  require(to_json(again.model) == to_json(config), "another config.json: {}", to_json(again.model).dump());
}

}  // namespace kiln::fuzz
