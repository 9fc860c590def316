// Recognises most files by a table of first bytes; safetensors, GGUF, Parquet, UTF-16 and JSON need further checks.
#include "data/foreign_content.h"

#include "kiln/core/compressed_file.h"
#include "kiln/core/error.h"
#include "kiln/core/extension.h"
#include "kiln/core/format.h"
#include "kiln/core/utf8.h"
#include "kiln/data/source_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <optional>

namespace kiln {
namespace {

using namespace std::string_view_literals;

constexpr std::string_view kUnpack = "unpack it and name the text that is in it";
constexpr std::string_view kSaveAsText = "save it as plain text (UTF-8) and name that";
constexpr std::string_view kTableToText =
    "write its text to a .jsonl file, one object with a field \"text\" a line, and name that";
constexpr std::string_view kModel = "name the text to read, not the model";

/// Bytes at an offset that identify a kind of file, with the remedy for the message.
struct Signature {
  std::size_t offset;
  std::string_view bytes;
  std::string_view what;
  std::string_view remedy;
};

constexpr std::array kSignatures{
    Signature{0, "\x1F\x8B\x08"sv, "compressed by gzip", "decompress it (gzip -dc < FILE > NEW) and name the result"},
    Signature{0, "\x28\xB5\x2F\xFD"sv, "compressed by zstd",
              "decompress it (zstd -dc < FILE > NEW) and name the result"},
    Signature{0, "\xFD\x37zXZ\0"sv, "compressed by xz", "decompress it (xz -dc < FILE > NEW) and name the result"},
    Signature{4, "1AY&SY"sv, "compressed by bzip2", "decompress it (bzip2 -dc < FILE > NEW) and name the result"},
    Signature{0, "\x04\x22\x4D\x18"sv, "compressed by lz4", "decompress it (lz4 -dc < FILE > NEW) and name the result"},
    Signature{0, "PK\3\4"sv, "a zip archive (as .docx, .epub, .npz and PyTorch's files are)", kUnpack},
    Signature{0, "7z\xBC\xAF\x27\x1C"sv, "a 7z archive", kUnpack},
    Signature{0, "Rar!\x1A\x07"sv, "a RAR archive", kUnpack},
    Signature{257, "ustar"sv, "a tar archive", "unpack it (tar -xf FILE) and name the text that is in it"},
    Signature{0, "%PDF-"sv, "a PDF document", "extract its text (pdftotext FILE) and name that"},
    Signature{0, "{\\rtf1"sv, "a document in RTF", kSaveAsText},
    Signature{0, "\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1"sv, "a document of Word, Excel or PowerPoint", kSaveAsText},
    Signature{0, "Obj\1"sv, "an Avro table", kTableToText},
    Signature{0, "ARROW1\0\0"sv, "an Arrow table", kTableToText},
    Signature{0, "\x89HDF\r\n\x1A\n"sv, "an HDF5 file", kTableToText},
    Signature{0, "SQLite format 3\0"sv, "an SQLite database", kTableToText},
    Signature{0, "\x93NUMPY"sv, "a NumPy array", kTableToText},
    Signature{0, "\x80\x02\x8A\x0Al\xFC\x9C\x46"sv, "a model of PyTorch", kModel},
    Signature{0, "\x80\x04\x95"sv, "a pickle of Python", kTableToText},
    Signature{0, "\xC6\xD7\x34\x01"sv, "a model file of llm.c", kModel},
};

constexpr std::array kTokenSignatures{"\x88\xD8\x34\x01"sv, "\xA1\xD9\x34\x01"sv};  // llm.c's, uint16 and uint32

struct Finding {
  std::string_view what, remedy;
};

std::uint64_t little_endian(std::string_view bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = bytes.size(); i-- > 0;) value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return value;
}

/// A safetensors file starts with its header's length in 8 bytes, followed by the header, a JSON object.
bool is_safetensors(std::string_view contents) {
  return contents.size() > 10 && contents[8] == '{' && (contents[9] == '"' || contents[9] == '}') &&
         little_endian(contents.substr(0, 8)) <= contents.size() - 8;
}

/// A GGUF file has its version after the magic; text may start with the same word.
bool is_gguf(std::string_view contents) {
  return contents.size() >= 8 && contents.starts_with("GGUF") && little_endian(contents.substr(4, 4)) < 0x10000;
}

/// A Parquet file starts with the header of a page; a damaged one may lack its end.
bool is_parquet(std::string_view contents) {
  return contents.starts_with("PAR1\x15") ||
         (contents.size() > 8 && contents.starts_with("PAR1") && contents.ends_with("PAR1"));
}

/// Recognises files whose beginning neither text nor token ids can have.
std::optional<Finding> find_binary(std::string_view contents) {
  for (const Signature& signature : kSignatures) {
    if (contents.size() < signature.offset + signature.bytes.size()) continue;
    if (contents.substr(signature.offset).starts_with(signature.bytes))
      return Finding{signature.what, signature.remedy};
  }
  if (is_safetensors(contents)) return Finding{"a model in safetensors", kModel};
  if (is_gguf(contents)) return Finding{"a model in GGUF", kModel};
  if (is_parquet(contents)) return Finding{"a Parquet table", kTableToText};
  return std::nullopt;
}

/// Returns true for UTF-16 without a byte order mark: no unit is a control character or an unpaired surrogate, some are
/// white space, and either nine tenths are ASCII or the bytes are not valid UTF-8. `low` is the offset of a unit's low
/// byte, 0 or 1.
bool looks_like_utf16(std::string_view contents, std::size_t low) {
  constexpr std::size_t kFewestUnits = 8, kMostUnits = 1024;
  const std::size_t units = std::min(contents.size() / 2, kMostUnits);
  std::size_t ascii = 0, spaces = 0;
  bool is_in_pair = false;  // the previous unit was a high surrogate
  for (std::size_t i = 0; i < units; ++i) {
    const auto byte = [&](std::size_t place) { return static_cast<unsigned char>(contents[2 * i + place]); };
    const unsigned unit = static_cast<unsigned>(byte(1 - low)) << 8 | byte(low);
    const bool is_second_half = unit >= 0xDC00 && unit < 0xE000;
    const bool is_space = unit == 0x20 || (unit >= '\t' && unit <= '\r');
    if ((unit < 0x20 && !is_space) || unit == 0x7F || unit >= 0xFFFE || is_second_half != is_in_pair) return false;
    is_in_pair = unit >= 0xD800 && unit < 0xDC00;
    ascii += unit < 0x80 ? 1 : 0;
    spaces += is_space ? 1 : 0;
  }
  if (units < kFewestUnits || spaces == 0) return false;
  const std::string_view looked = contents.substr(0, 2 * units);
  constexpr std::size_t kLongestCharacter = 4;  // the end may have cut one
  return 10 * ascii >= 9 * units || utf8_valid_until(looked) + kLongestCharacter <= looked.size();
}

std::optional<Finding> find_encoding(std::string_view contents) {
  constexpr Finding kUtf32{"UTF-32", "convert it (iconv -f UTF-32 -t UTF-8 FILE) and name the result"};
  constexpr Finding kUtf16{"UTF-16", "convert it (iconv -f UTF-16 -t UTF-8 FILE) and name the result"};
  if (contents.starts_with("\xFF\xFE\0\0"sv) || contents.starts_with("\0\0\xFE\xFF"sv)) return kUtf32;
  if (contents.starts_with("\xFF\xFE"sv) || contents.starts_with("\xFE\xFF"sv)) return kUtf16;
  if (looks_like_utf16(contents, 0))
    return Finding{"UTF-16", "convert it (iconv -f UTF-16LE -t UTF-8 FILE) and name the result"};
  if (looks_like_utf16(contents, 1))
    return Finding{"UTF-16", "convert it (iconv -f UTF-16BE -t UTF-8 FILE) and name the result"};
  return std::nullopt;
}

/// Returns true for a byte that text does not hold: a control character other than white space, backspace and escape.
bool is_control(char byte) {
  constexpr std::string_view kInText = "\b\t\n\v\f\r\x1B";
  const auto value = static_cast<unsigned char>(byte);
  return (value < 0x20 && kInText.find(byte) == std::string_view::npos) || value == 0x7F;
}

/// Returns how many bytes are control characters or not UTF-8.
std::size_t count_unlike_text(std::string_view contents) {
  std::size_t count = static_cast<std::size_t>(std::ranges::count_if(contents, is_control));
  for (std::size_t at = utf8_valid_until(contents); at < contents.size(); at = utf8_valid_until(contents, at + 1))
    ++count;
  return count;
}

/// Removes a byte order mark and leading white space.
std::string_view without_space(std::string_view text) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  return text.substr(std::min(text.find_first_not_of(" \t\r\n"), text.size()));
}

constexpr Finding kArrayOfObjects{"a JSON array", "give it a name that ends in .json"};

/// Recognises JSON that is not in .jsonl form. An array of objects is recognised in any file; other arrays, and lines
/// of objects, only if the file name says JSON.
std::optional<Finding> find_json(std::string_view contents, std::string_view extension) {
  const std::string_view text = without_space(contents);
  const bool is_json = extension == ".json" || extension == ".ndjson";
  if (is_array_of_objects(text)) return kArrayOfObjects;
  if (is_json && text.starts_with('[')) {
    return Finding{"a JSON array without objects",
                   "make an object of each text (jq '[.[] | {text: .}]' FILE > NAME.json) and name that"};
  }
  if (!text.starts_with('{') || !is_json) return std::nullopt;
  const std::string_view line = text.substr(0, text.find('\n'));
  const std::size_t end = line.find_last_not_of(" \t\r");
  const bool is_lines = end > 0 && line[end] == '}';  // the first object ends on its first line
  return is_lines ? std::optional(Finding{"JSON Lines", "give it a name that ends in .jsonl"}) : std::nullopt;
}

[[noreturn]] void refuse(std::string_view file, const Finding& finding, std::string_view expected) {
  fail(ExitCode::bad_input, "{}: is {}; {} expected: {}", file, finding.what, expected, finding.remedy);
}

/// Refuses what is no text at all.
void refuse_bytes(const std::filesystem::path& file, std::string_view contents, std::string_view expected) {
  const std::string name = file.string();
  for (const std::string_view signature : kTokenSignatures) {
    if (contents.starts_with(signature)) refuse(name, {"a token file", "give it a name that ends in .bin"}, expected);
  }
  if (const auto finding = find_binary(contents)) refuse(name, *finding, expected);
  if (const auto finding = find_encoding(contents)) refuse(name, *finding, expected);
}

}  // namespace

bool is_array_of_objects(std::string_view contents) {
  const std::string_view text = without_space(contents);
  if (!text.starts_with('[')) return false;
  const std::string_view first = without_space(text.substr(1));
  return first.starts_with('{') && without_space(first.substr(1)).starts_with('"');
}

void check_is_text(const std::filesystem::path& file, std::string_view contents) {
  constexpr std::string_view kExpected = "text is";
  refuse_bytes(file, contents, kExpected);
  if (const auto finding = find_json(contents, lower_extension(without_compression(file))))
    refuse(file.string(), *finding, kExpected);
}

std::string check_bytes_of_text(const std::filesystem::path& file, std::string_view contents) {
  constexpr std::size_t kLooked = 8192, kFewest = 64, kSearched = 1 << 20, kLongestCharacter = 4;  // bytes
  constexpr double kMost = 0.3;                                                                    // as Perl's -T
  const std::string_view looked = contents.substr(0, kLooked);
  const double share = static_cast<double>(count_unlike_text(looked)) / static_cast<double>(looked.size());
  if (looked.size() >= kFewest && share > kMost) {
    fail(ExitCode::bad_input,
         "{}: is not text in UTF-8: of its first {} bytes, {:.0f}% are control characters or belong to no character; "
         "leave the file out, or, if it is text in another encoding, convert it (iconv -f ENCODING -t UTF-8 FILE)",
         file.string(), format_count(std::ssize(looked)), 100 * share);
  }
  const std::string_view beginning = contents.substr(0, kSearched);
  if (const std::size_t zero = beginning.find('\0'); zero != std::string_view::npos)
    return fmt::format("{}: holds bytes of 0, as text does not (the first is byte {})", file.string(), zero);
  const std::size_t valid = utf8_valid_until(beginning);
  const bool is_cut = beginning.size() < contents.size() && valid + kLongestCharacter > beginning.size();
  if (valid == beginning.size() || is_cut) return "";
  return fmt::format(
      "{}: byte {} (0x{:02X}) is not UTF-8; if the text is in another encoding, convert it (iconv -f LATIN1 -t UTF-8 "
      "FILE)",
      file.string(), valid, static_cast<unsigned char>(beginning[valid]));
}

void check_is_json(const std::filesystem::path& file, std::string_view contents) {
  refuse_bytes(file, contents, "JSON is");
  if (source_kind(file) == SourceKind::jsonl && is_array_of_objects(contents))
    refuse(file.string(), kArrayOfObjects, "JSON Lines are");
}

void check_is_ids(std::string_view file, std::string_view contents) {
  if (const auto finding = find_binary(contents)) refuse(file, *finding, "token ids are");
}

}  // namespace kiln
