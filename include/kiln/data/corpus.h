// The text of a run as documents, byte for byte as it lies in the files.
#pragma once

#include "kiln/core/file.h"
#include "kiln/data/data_config.h"
#include "kiln/data/source_files.h"
#include "kiln/tensor/view.h"
#include "kiln/text/text_error.h"

#include <cstddef>
#include <deque>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace kiln {

using Documents = std::vector<std::string_view>;

/// Where a byte of the text lies: a file, or a line of a .jsonl file, and the offset in the file or in that line's
/// text.
struct TextPlace {
  std::string name;  // "a.txt", "a.jsonl:3"
  std::size_t offset = 0;
};

/// Train and validation documents, none of them empty. Text files are mapped, if they are not small; nothing is decoded
/// or normalised: BOM, CRLF, NUL and invalid UTF-8 pass through.
class Corpus {
 public:
  /// Reads config.train and config.validation (see find_source_files); messages call the first `key`. A text file is
  /// one document, or several where config.document_separator splits it (split_documents); each line of a .jsonl file
  /// is one, its field config.text_field. Where config.validation is empty, the tail of the whole text is held out
  /// (cut_tail).
  /// Throws Error (usage: a name that matches nothing, token files, a separator of several lines; bad_input: a file
  /// that cannot be read or is known to hold no text (an archive, a document, UTF-16, a JSON array ...), or a bad
  /// .jsonl line, as file:line).
  explicit Corpus(const DataConfig& config, const std::filesystem::path& base_directory = {},
                  std::string_view key = "data.train");

  const Documents& train() const { return train_; }
  const Documents& validation() const { return validation_; }

  /// The files of config.train, and of config.validation.
  const SourceFiles& train_files() const { return train_files_; }
  const SourceFiles& validation_files() const { return validation_files_; }

  /// Whether `data.train` or `data.validation` names more than one document; one that the tail's cut splits counts
  /// once.
  bool has_several_documents() const { return several_; }

  /// Whether the tail's cut splits a document: the last of train() then goes on as the first of validation().
  bool is_cut_within_document() const { return cut_within_document_; }

  /// Where a byte of a document lies.
  TextPlace place_of(const char* byte) const;

  /// Returns what `read` makes of the documents; a TextError that it throws becomes one that names file and place.
  template <class Read>
  auto naming_places(Read&& read) const {
    try {
      return read();
    } catch (const TextError& error) {
      const TextPlace place = place_of(error.at());
      throw Error(error.code(), error.in(place.name, place.offset));
    }
  }

  /// The first file of text, if there is one, with a byte of 0 near its beginning: it may be of another kind.
  const std::optional<std::filesystem::path>& file_unlike_text() const { return unlike_text_; }

 private:
  /// A file as it lies in memory; of a .jsonl file the texts of its lines, one after the other.
  struct Source {
    struct Line {
      std::size_t begin;  // of its text
      Index number;
    };
    std::filesystem::path file;
    std::string_view text;
    std::vector<Line> lines = {};
  };

  Documents read(const std::vector<std::filesystem::path>& files, const DataConfig& config);
  std::string_view read_text(const std::filesystem::path& file);
  void read_json_lines(const std::filesystem::path& file, const std::string& field, Documents& documents);

  std::deque<MappedFile> mapped_;  // what the documents of large text files point into
  std::deque<std::string> texts_;  // those of small ones, and of .jsonl files
  std::vector<Source> sources_;
  SourceFiles train_files_, validation_files_;
  Documents train_, validation_;
  bool several_ = false, cut_within_document_ = false;
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

/// Returns a warning that a file of the corpus holds bytes of 0, as text does not; "" where none does.
std::string zero_bytes_warning(const Corpus& corpus);

/// Moves the tail of the text out of `documents` and returns it: of n characters, the first int(n * (1 - fraction))
/// stay. The document that the cut falls into is split there, before a character.
Documents cut_tail(Documents& documents, double fraction);

}  // namespace kiln
