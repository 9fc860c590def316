// The text of a run as documents, byte for byte as it lies in the files.
#pragma once

#include "kiln/core/file.h"
#include "kiln/data/data_config.h"
#include "kiln/tensor/view.h"

#include <deque>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace kiln {

using Documents = std::vector<std::string_view>;

/// Train and validation documents, none of them empty. Text files are mapped, if they are not small; nothing is decoded
/// or normalised: BOM, CRLF, NUL and invalid UTF-8 pass through.
class Corpus {
 public:
  /// Reads config.train and config.validation (see find_source_files). A .txt file is one document, or several where
  /// config.document_separator splits it (split_documents); each line of a .jsonl file is one, its field "text". Where
  /// config.validation is empty, the tail of the whole text is held out (cut_tail).
  /// Throws Error (usage: a name that matches nothing, token files, a separator of several lines; bad_input: a file
  /// that cannot be read or is known to hold no text (an archive, a document, UTF-16, a JSON array ...), or a bad
  /// .jsonl line, as file:line).
  explicit Corpus(const DataConfig& config, const std::filesystem::path& base_directory = {});

  const Documents& train() const { return train_; }
  const Documents& validation() const { return validation_; }

  /// Whether `data.train` or `data.validation` names more than one document; one that the tail's cut splits counts
  /// once.
  bool has_several_documents() const { return several_; }

  /// The first file of text, if there is one, with a byte of 0 near its beginning: it may be compressed, or no text.
  const std::optional<std::filesystem::path>& file_unlike_text() const { return unlike_text_; }

 private:
  Documents read(const std::vector<std::filesystem::path>& files, const std::optional<std::string>& separator);
  std::string_view read_text(const std::filesystem::path& file);
  void read_json_lines(const std::filesystem::path& file, Documents& documents);

  std::deque<MappedFile> mapped_;  // what the documents of large .txt files point into
  std::deque<std::string> texts_;  // those of small ones, and of .jsonl files
  Documents train_, validation_;
  bool several_ = false;
  std::optional<std::filesystem::path> unlike_text_;
};

/// The number of characters (code points) of UTF-8 text. Bytes 0x80-0xBF count with the character before them, so that
/// any bytes have a count.
Index count_characters(std::string_view text);

/// The documents between the lines that hold exactly `separator` (a line ends with LF or CRLF, or with the text). Such
/// a line belongs, with its end, to no document, so that every document consists of whole lines and keeps its last
/// line's end; empty documents are left out. Appends to `documents`.
void split_documents(std::string_view text, std::string_view separator, Documents& documents);

/// Whether a line of the text holds exactly `separator`.
bool has_line(std::string_view text, std::string_view separator);

/// Moves the tail of the text out of `documents` and returns it: of n characters, the first int(n * (1 - fraction))
/// stay. The document that the cut falls into is split there, before a character.
Documents cut_tail(Documents& documents, double fraction);

}  // namespace kiln
