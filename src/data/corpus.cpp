// Maps text files and splits them into documents; decodes the records of each JSON file into one string.
#include "kiln/data/corpus.h"

#include "kiln/core/compressed_file.h"
#include "kiln/core/error.h"
#include "kiln/core/extension.h"

#include "data/foreign_content.h"
#include "data/json_lines.h"
#include <algorithm>
#include <functional>
#include <iterator>
#include <system_error>
#include <utility>

namespace kiln {
namespace {

constexpr std::uintmax_t kMappedBytes = 64 << 10;  // smaller files are copied

bool starts_character(char byte) { return (static_cast<unsigned char>(byte) & 0xC0) != 0x80; }

/// Returns the offset at which character `number` (from 0) starts. Requires number < count_characters(text).
std::size_t start_of_character(std::string_view text, Index number) {
  std::size_t at = 0;
  for (;; ++at) {
    if (starts_character(text[at]) && number-- == 0) return at;
  }
}

/// Says what the record may be instead, for a message: a conversation, or its other string fields.
std::string other_texts(const JsonRecord& record) {
  std::string names;
  for (const auto& [name, value] : record.items()) {
    if (value.is_string()) names += fmt::format("{}\"{}\"", names.empty() ? "" : ", ", name);
  }
  for (const char* key : {"messages", "conversations", "completion", "output"}) {
    if (!record.contains(key)) continue;
    return fmt::format(
        "; it has \"{}\", so it is a conversation: objective.type sft trains on it, and kiln eval scores it "
        "with --template",
        key);
  }
  if (record.contains("chosen") && record.contains("rejected"))
    return "; it is a judged pair, which objective.type reward, dpo and ipo train on, in a config";
  return names.empty() ? "" : fmt::format("; it has {}, which data.text_field (--text-field) can name", names);
}

/// Returns a field of a record.
const std::string& text_of(const JsonRecord& record, const std::string& field, const std::filesystem::path& file,
                           std::int64_t number) {
  const bool has_text = record.is_object() && record.contains(field) && record[field].is_string();
  if (has_text) return record[field].get_ref<const std::string&>();
  fail(ExitCode::bad_input, "{}: no field \"{}\" that is a string{}", record_place(file, number), field,
       record.is_object() ? other_texts(record) : "");
}

/// Returns true for a .jsonl file, and for a .json file with an array of objects.
bool holds_records(const std::filesystem::path& file) {
  if (source_kind(file) == SourceKind::jsonl) return true;
  return lower_extension(without_compression(file)) == ".json" && is_array_of_objects(FileText(file).text());
}

}  // namespace

Index count_characters(std::string_view text) { return std::count_if(text.begin(), text.end(), starts_character); }

void split_documents(std::string_view text, std::string_view separator, Documents& documents) {
  const char* begin = text.data();
  const auto close = [&](const char* end) {
    if (end != begin) documents.emplace_back(begin, static_cast<std::size_t>(end - begin));
  };
  while (!text.empty()) {
    const auto [content, whole] = take_line(text);
    if (content != separator) continue;
    close(whole.data());
    begin = text.data();
  }
  close(text.data());
}

Documents cut_tail(Documents& documents, double fraction) {
  Index characters = 0;
  for (std::string_view document : documents) characters += count_characters(document);
  Index kept = static_cast<Index>(static_cast<double>(characters) * (1.0 - fraction));

  auto cut = documents.begin();
  for (; cut != documents.end(); ++cut) {
    const Index count = count_characters(*cut);
    if (count > kept) break;
    kept -= count;
  }
  Documents tail(cut, documents.end());
  documents.erase(cut, documents.end());
  if (tail.empty()) return tail;
  const std::size_t at = start_of_character(tail.front(), kept);
  if (at > 0) documents.push_back(tail.front().substr(0, at));
  tail.front().remove_prefix(at);
  return tail;
}

bool has_line(std::string_view text, std::string_view separator) {
  Documents documents;
  split_documents(text, separator, documents);
  return documents.size() != 1 || documents.front().size() != text.size();
}

Corpus::Corpus(const DataConfig& config, const std::filesystem::path& base_directory, std::string_view key) {
  check(
      !config.document_separator || config.document_separator->find('\n') == std::string::npos,
      "data.document_separator: holds a line feed, but is compared with single lines without their ends; leave it out");
  const auto find_texts = [&](const std::vector<std::string>& patterns, std::string_view name) {
    SourceFiles found = find_source_files(patterns, name, base_directory, config.include);
    check(!are_token_files(found.files, name), "{}: {} is a token file; text is expected here", name,
          found.files.empty() ? "" : found.files.front().string());
    return found;
  };
  train_files_ = find_texts(config.train, key);
  train_ = read(train_files_.files, config);
  validation_files_ = find_texts(config.validation, "data.validation");
  validation_ = read(validation_files_.files, config);
  several_ = train_.size() > 1 || validation_.size() > 1;
  if (!config.validation.empty()) return;
  const std::size_t whole = train_.size();
  validation_ = cut_tail(train_, config.validation_fraction);
  cut_within_document_ = train_.size() + validation_.size() > whole;
}

TextPlace Corpus::place_of(const char* byte) const {
  for (const Source& source : sources_) {
    const char* begin = source.text.data();
    if (std::less<>{}(byte, begin) || !std::less<>{}(byte, begin + source.text.size())) continue;
    const auto offset = static_cast<std::size_t>(byte - begin);
    if (source.records.empty()) return {source.file.string(), offset};
    const auto after = std::ranges::upper_bound(source.records, offset, {}, &Source::Record::begin);
    const Source::Record& record = *std::prev(after);
    return {record_place(source.file, record.number), offset - record.begin};
  }
  return {};
}

std::string Corpus::check_bytes() const {
  std::string warning;
  for (const Source& source : sources_) {
    const bool has_records = !source.records.empty();  // whose texts were decoded
    const std::string found = has_records ? "" : check_bytes_of_text(source.file, source.text);
    if (warning.empty()) warning = found;
  }
  return warning;
}

Documents Corpus::read(const std::vector<std::filesystem::path>& files, const DataConfig& config) {
  Documents documents;
  for (const std::filesystem::path& file : files) {
    if (holds_records(file)) {
      read_records(file, config.text_field, documents);
      continue;
    }
    const std::string_view text = read_text(file);
    check_is_text(file, text);
    sources_.push_back({file, text});
    if (config.document_separator) {
      split_documents(text, *config.document_separator, documents);
    } else if (!text.empty()) {
      documents.push_back(text);
    }
  }
  return documents;
}

/// Copies small files, since Linux limits the number of maps per process (65,530 by default).
std::string_view Corpus::read_text(const std::filesystem::path& file) {
  if (is_compressed(file)) return texts_.emplace_back(read_decompressed(file));
  std::error_code no_file;  // e.g. a pipe, which has no size and cannot be mapped
  const std::uintmax_t size = std::filesystem::file_size(file, no_file);
  if (!no_file && size >= kMappedBytes) return mapped_.emplace_back(file).bytes();
  return texts_.emplace_back(read_file(file));
}

void Corpus::read_records(const std::filesystem::path& file, const std::string& field, Documents& documents) {
  std::string& decoded = texts_.emplace_back();
  std::vector<Source::Record> records;
  for_each_json_record(file, "texts", [&](const JsonRecord& record, std::int64_t number) {
    const std::string& text = text_of(record, field, file, number);
    if (text.empty()) return;
    records.push_back({decoded.size(), number});
    decoded += text;
  });
  for (std::size_t i = 0; i < records.size(); ++i) {
    const std::size_t end = i + 1 < records.size() ? records[i + 1].begin : decoded.size();
    documents.push_back(std::string_view(decoded).substr(records[i].begin, end - records[i].begin));
  }
  sources_.push_back({file, decoded, std::move(records)});
}

}  // namespace kiln
