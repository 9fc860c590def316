// Reads a run's text as documents, with the same bytes as in the files.
#pragma once

#include "kiln/core/file.h"
#include "kiln/data/data_config.h"
#include "kiln/data/source_files.h"
#include "kiln/tensor/view.h"
#include "kiln/text/text_error.h"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace kiln {

using Documents = std::vector<std::string_view>;

/// The place of a byte of the text: a file, or a record of a .jsonl or .json file, and the offset in the file or in
/// that record's text.
struct TextPlace {
  std::string name;  // "a.txt", "a.jsonl:3", "a.json[2]"
  std::size_t offset = 0;
};

/// Holds the train and validation documents; none is empty. Maps text files unless they are small; decompresses those
/// whose names end in .gz or .zst into memory. Decodes and normalises nothing: BOM, CRLF, NUL and invalid UTF-8 stay as
/// they are.
class Corpus {
 public:
  /// Reads config.train and config.validation (see find_source_files); messages call the first `key`. A text file is
  /// one document, or several if config.document_separator splits it (split_documents). Each record is one document,
  /// its field config.text_field: a line of a .jsonl file, an object of the array in a .json file. If config.validation
  /// is empty, holds out the tail of the whole text (cut_tail).
  /// Throws Error (usage: a name that matches nothing, token files, a separator of several lines; bad_input: a file
  /// that cannot be read, is damaged or is recognised as something other than text (an archive, a document, UTF-16
  /// ...), or a bad record, as file:line or file[index]).
  explicit Corpus(const DataConfig& config, const std::filesystem::path& base_directory = {},
                  std::string_view key = "data.train");

  const Documents& train() const { return train_; }
  const Documents& validation() const { return validation_; }

  /// Return the files of config.train and of config.validation.
  const SourceFiles& train_files() const { return train_files_; }
  const SourceFiles& validation_files() const { return validation_files_; }

  /// Returns true if `data.train` or `data.validation` contains more than one document. A document that the tail's cut
  /// splits counts once.
  bool has_several_documents() const { return several_; }

  /// Returns true if the tail's cut splits a document: the last of train() then continues as the first of validation().
  bool is_cut_within_document() const { return cut_within_document_; }

  /// Returns the place of a byte of a document.
  TextPlace place_of(const char* byte) const;

  /// Returns the result of `read`. Rethrows a TextError as an Error (bad_input) that gives its file and place.
  template <class Read>
  auto naming_places(Read&& read) const {
    try {
      return read();
    } catch (const TextError& error) {
      const TextPlace place = place_of(error.at());
      throw Error(ExitCode::bad_input, error.in(place.name, place.offset));
    }
  }

  /// Returns a warning about the first text file that holds bytes of 0 or is not UTF-8; "" if there is none. Throws
  /// Error (bad_input) if many bytes of a file are like that. For models of bytes, all bytes are fine.
  std::string check_bytes() const;

 private:
  /// A file's contents in memory; for a file of records, their texts, joined.
  struct Source {
    struct Record {
      std::size_t begin;    // of its text
      std::int64_t number;  // see record_place
    };
    std::filesystem::path file;
    std::string_view text;
    std::vector<Record> records = {};
  };

  Documents read(const std::vector<std::filesystem::path>& files, const DataConfig& config);
  std::string_view read_text(const std::filesystem::path& file);
  void read_records(const std::filesystem::path& file, const std::string& field, Documents& documents);

  std::deque<MappedFile> mapped_;  // large text files, into which documents point
  std::deque<std::string> texts_;  // small text files and texts of records, likewise
  std::vector<Source> sources_;
  SourceFiles train_files_, validation_files_;
  Documents train_, validation_;
  bool several_ = false, cut_within_document_ = false;
};

/// Returns the number of characters (code points) of UTF-8 text. Bytes 0x80-0xBF count as part of the character before
/// them, so that invalid text has a count too.
Index count_characters(std::string_view text);

/// Appends to `documents` the documents between the lines that equal `separator`. A line ends with LF or CRLF, or with
/// the text. Separator lines, with their line ends, belong to no document, so every document consists of whole lines
/// and keeps its last line end. Omits empty documents.
void split_documents(std::string_view text, std::string_view separator, Documents& documents);

/// Returns true if a line of the text equals `separator`.
bool has_line(std::string_view text, std::string_view separator);

/// Moves the tail of the text out of `documents` and returns it. Of n characters, the first int(n * (1 - fraction))
/// stay. Splits the document at the cut, between two characters.
Documents cut_tail(Documents& documents, double fraction);

}  // namespace kiln
