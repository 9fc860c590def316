// From the names in a config (files, folders, globs) to the files that hold the data.
#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace kiln {

/// What a file holds, told by its name in any case: .jsonl, .bin, and text under any other.
enum class SourceKind { text, jsonl, tokens };
SourceKind source_kind(const std::filesystem::path& file);

/// The names of the files that count in a folder where nothing else is said.
inline const std::vector<std::string> kIncludedNames{"*.txt", "*.jsonl"};

/// The files that were found, and how many others the searched folders hold, by extension (or by the whole name).
struct SourceFiles {
  std::vector<std::filesystem::path> files;
  std::map<std::string, std::size_t> left;
};

/// Finds the files that `patterns` name, in the order of the patterns and sorted by path within one. A pattern is a
/// file, a folder (at any depth, its files whose name matches one of `include` in any case) or a glob (* ? [abc], one
/// level a component; folders that it matches are searched too). Each is looked for in the current directory, then in
/// `base_directory` (the config file's; "" is none). A search passes over hidden files and folders, and over what kiln
/// writes: runs, checkpoints, tokens, and the reasons beside a config.
/// Throws Error (usage) that names `key` ("data.train"), the pattern and what lies there where nothing matches.
SourceFiles find_source_files(const std::vector<std::string>& patterns, std::string_view key,
                              const std::filesystem::path& base_directory = {},
                              const std::vector<std::string>& include = kIncludedNames);

/// Returns "tales.txt", or "tales.txt and 2 other files".
std::string name_of_files(const std::vector<std::filesystem::path>& files);

/// Returns "3 files, 20.53 kB", with "; left out: 1,200 others, mostly .py" where the search left any.
std::string describe_files(const SourceFiles& found);

/// Throws Error (usage) where a file that is trained on is held out too: no loss on it would say anything.
void check_held_out(const std::vector<std::filesystem::path>& train,
                    const std::vector<std::filesystem::path>& held_out);

/// Whether the files are token files (all of them .bin). Throws Error (usage) where text and token files are mixed.
bool are_token_files(const std::vector<std::filesystem::path>& files, std::string_view key);

}  // namespace kiln
