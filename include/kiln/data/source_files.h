// Finds the data files that a config names (files, folders, globs).
#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace kiln {

/// The kind of a file, by its extension in any case: .jsonl, .bin, or text for all others. Of a compressed file (.gz,
/// .zst), the extension before that one counts.
enum class SourceKind { text, jsonl, tokens };
SourceKind source_kind(const std::filesystem::path& file);

/// The default patterns of the files to read in a folder.
inline const std::vector<std::string> kIncludedNames{"*.txt", "*.jsonl"};

/// The files found, and the number of other files in the searched folders, by extension (or by name if it has none).
struct SourceFiles {
  std::vector<std::filesystem::path> files;
  std::map<std::string, std::size_t> left;
};

/// Finds the files that `patterns` name, in the order of the patterns, sorted by path within each. A pattern is a file,
/// a folder (all files in it, at any depth, whose name matches one of `include` in any case, with or without the .gz or
/// .zst of a compressed file) or a glob (* ? [abc], each
/// within one path component; folders that it matches are searched too). Looks for each in the current directory, then
/// in `base_directory` (the config file's folder; "" for none). Skips hidden files and folders in a search, and kiln's
/// own output: runs, checkpoints, tokens, and the reasons beside a config.
/// Throws Error: usage if a pattern matches nothing; the message gives `key` ("data.train"), the pattern and what is
/// there instead. bad_input or io if a search fails.
SourceFiles find_source_files(const std::vector<std::string>& patterns, std::string_view key,
                              const std::filesystem::path& base_directory = {},
                              const std::vector<std::string>& include = kIncludedNames);

/// Returns "tales.txt", or "tales.txt and 2 other files".
std::string name_of_files(const std::vector<std::filesystem::path>& files);

/// Returns "3 files, 20.53 kB", with "; left out: 1,200 others, mostly .py" if the search left any.
std::string describe_files(const SourceFiles& found);

/// Throws Error (usage) if a file is both trained on and held out, which would make its loss meaningless.
void check_held_out(const std::vector<std::filesystem::path>& train,
                    const std::vector<std::filesystem::path>& held_out);

/// Returns true if the files are token files (all .bin). Throws Error (usage) if text and token files are mixed.
bool are_token_files(const std::vector<std::filesystem::path>& files, std::string_view key);

}  // namespace kiln
