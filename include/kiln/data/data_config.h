// Configures where a run's text comes from, and how much of it is held out.
#pragma once

#include "kiln/core/fields.h"
#include "kiln/data/source_files.h"

#include <optional>
#include <string>
#include <vector>

namespace kiln {

/// Conversations that a run draws in a fixed proportion to those of other sources.
struct DataSource {
  std::vector<std::string> files;
  double weight = 1;

  template <class V>
  void visit(V& v) {
    v("files", files, "files, folders or globs with conversations", required());
    v("weight", weight, "share of the examples, in proportion to the weights of the other sources",
      positive_up_to(kMostWeight));
  }

  static constexpr double kMostWeight = 1e9;
};

struct DataConfig {
  std::vector<std::string> train;
  std::vector<DataSource> mix;
  std::vector<std::string> validation;
  double validation_fraction = 0.1;
  std::optional<std::string> document_separator;
  std::vector<std::string> include = kIncludedNames;
  std::string text_field = "text";
  bool attend_across_documents = true;

  /// Returns true if there is data to train on.
  bool names_data() const { return !train.empty() || !mix.empty(); }

  /// Returns true if any text is held out.
  bool has_validation() const { return !validation.empty() || validation_fraction > 0; }

  /// Adds a problem unless one of `train` and `mix` is given, and for each empty or invalid name, pattern or separator.
  void validate(Problems& problems, const std::string& pointer) const;

  template <class V>
  void visit(V& v) {
    v("train", train,
      "files, folders or globs: text, .jsonl or .json (one document per record), .bin (token files); for objective "
      "sft: .jsonl or "
      ".json files of conversations, for dpo, ipo and reward of judged answers; text and JSON may be compressed (.gz, "
      ".zst); required, unless mix is given");
    v("mix", mix,
      "for objective sft, in place of train: several sources, each with its share of the examples; a pass is over once "
      "every source has been seen whole, while the others repeat in a new order");
    v("validation", validation, "held-out text, given in the same way");
    v("validation_fraction", validation_fraction,
      "share of the training text to hold out, from its end, if validation is empty; with mix, of each source",
      from_to_below(0, 1));
    v("document_separator", document_separator,
      "line that separates the documents of a text file; null: the file is one document");
    v("include", include, "names of the files to read from a folder, such as [\"*.py\", \"*.md\"]");
    v("text_field", text_field, "field of a record (.jsonl, .json) that holds the text");
    v("attend_across_documents", attend_across_documents,
      "let a token see earlier documents in its window; false: attention and positions restart after each end token, "
      "and the token that follows it is not predicted");
  }
};

}  // namespace kiln
