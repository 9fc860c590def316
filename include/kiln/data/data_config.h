// Where a run's text comes from, and what of it is held out.
#pragma once

#include "kiln/core/fields.h"

#include <optional>
#include <string>
#include <vector>

namespace kiln {

struct DataConfig {
  std::vector<std::string> train;
  std::vector<std::string> validation;
  double validation_fraction = 0.1;
  std::optional<std::string> document_separator;

  /// Whether any text is held out.
  bool has_validation() const { return !validation.empty() || validation_fraction > 0; }

  /// Adds a problem where `train` is missing, and for names and separators that are empty.
  void validate(Problems& problems, const std::string& pointer) const;

  template <class V>
  void visit(V& v) {
    v("train", train, "files, folders or globs: .txt, .jsonl (field \"text\"), .bin (token files)", required());
    v("validation", validation, "the same, for the text that is held out");
    v("validation_fraction", validation_fraction,
      "share of the training text's tail held out where validation is empty", from_to_below(0, 1));
    v("document_separator", document_separator,
      "what separates the documents of a .txt file; null: it is one document");
  }
};

}  // namespace kiln
