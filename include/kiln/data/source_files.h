// From the names in a config (files, folders, globs) to the files that hold the data.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace kiln {

/// What a file holds, told by its name in any case: .jsonl, .bin, and text under any other.
enum class SourceKind { text, jsonl, tokens };
SourceKind source_kind(const std::filesystem::path& file);

/// The files that `patterns` name, in the order of the patterns and sorted by path within one. A pattern is a file, a
/// folder (its .txt and .jsonl files at any depth) or a glob (* ? [abc], one level a component; folders that it matches
/// are searched too). Each is looked for in the current directory, then in `base_directory` (the config file's; "" is
/// none). Throws Error (usage) that names `key` ("data.train") and the pattern where nothing matches.
std::vector<std::filesystem::path> find_source_files(const std::vector<std::string>& patterns, std::string_view key,
                                                     const std::filesystem::path& base_directory = {});

/// Throws Error (usage) where a file that is trained on is held out too: no loss on it would say anything.
void check_held_out(const std::vector<std::filesystem::path>& train,
                    const std::vector<std::filesystem::path>& held_out);

/// Whether the files are token files (all of them .bin). Throws Error (usage) where text and token files are mixed.
bool are_token_files(const std::vector<std::filesystem::path>& files, std::string_view key);

}  // namespace kiln
