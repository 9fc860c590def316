// Matches globs by glob(3), searches folders by the standard library, and sorts both, for the same order on every
// machine.
#include "kiln/data/source_files.h"

#include "kiln/core/compressed_file.h"
#include "kiln/core/error.h"
#include "kiln/core/extension.h"
#include "kiln/core/file.h"
#include "kiln/core/file_lock.h"
#include "kiln/core/format.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cstdint>
#include <fnmatch.h>
#include <glob.h>
#include <memory>
#include <set>
#include <system_error>

namespace kiln {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kReasonsExtension = ".json.why.md";  // written by kiln new beside a config

/// Returns true for a folder that kiln wrote: a run or its tokens, which contain a lock, or a checkpoint.
bool is_kilns_folder(const fs::path& folder) {
  return is_file_lock(folder / "lock") || (path_exists(folder / "kiln.json") && path_exists(folder / "manifest.json"));
}

/// Returns true if a pattern matches the name, or the name of what the file compresses.
bool matches_any(const std::string& name, const std::vector<std::string>& patterns) {
  const std::string inner = without_compression(name).string();
  return std::ranges::any_of(patterns, [&](const std::string& pattern) {
    return ::fnmatch(pattern.c_str(), name.c_str(), FNM_CASEFOLD) == 0 ||
           ::fnmatch(pattern.c_str(), inner.c_str(), FNM_CASEFOLD) == 0;
  });
}

void search_folder(const fs::path& folder, const std::vector<std::string>& include, SourceFiles& found) {
  if (is_kilns_folder(folder)) return;
  try {
    for (auto it = fs::recursive_directory_iterator(folder); it != fs::end(it); ++it) {
      const std::string name = it->path().filename().string();
      const bool is_hidden = name.starts_with('.');
      if (it->is_directory()) {
        if (is_hidden || is_kilns_folder(it->path())) it.disable_recursion_pending();
        continue;
      }
      if (is_hidden || name.ends_with(kReasonsExtension) || !it->is_regular_file()) continue;
      if (matches_any(name, include)) {
        found.files.push_back(it->path());
      } else {
        const std::string extension = lower_extension(it->path());
        ++found.left[extension.empty() ? name : extension];
      }
    }
  } catch (const fs::filesystem_error& error) {
    fail(ExitCode::bad_input, "{}: the folder cannot be searched: {}", error.path1().string(), error.code().message());
  }
}

std::vector<fs::path> glob_matches(const fs::path& pattern) {
  glob_t found{};
  const int status = ::glob(pattern.c_str(), GLOB_NOSORT, nullptr, &found);
  const std::unique_ptr<glob_t, void (*)(glob_t*)> owner(&found, ::globfree);
  if (status == GLOB_NOMATCH) return {};
  check_io(status == 0, "{}: the pattern cannot be searched for", pattern.string());
  return {found.gl_pathv, found.gl_pathv + found.gl_pathc};
}

/// Returns the files of one pattern, sorted; none if it matches nothing. An existing name is never treated as a glob.
SourceFiles matches(const fs::path& pattern, const std::vector<std::string>& include) {
  std::error_code ignored;
  SourceFiles found;
  for (const fs::path& path : fs::exists(pattern, ignored) ? std::vector{pattern} : glob_matches(pattern)) {
    if (fs::is_directory(path, ignored)) {
      search_folder(path, include, found);
    } else {
      found.files.push_back(path);
    }
  }
  std::sort(found.files.begin(), found.files.end());
  return found;
}

/// Returns "1,200 others, mostly .py".
std::string describe_left(const std::map<std::string, std::size_t>& left) {
  std::size_t count = 0;
  auto most = left.begin();
  for (auto it = left.begin(); it != left.end(); ++it) {
    count += it->second;
    if (it->second > most->second) most = it;
  }
  const std::string_view share = most->second == count ? "" : 2 * most->second > count ? " mostly" : " such as";
  return fmt::format("{} other{},{} {}", format_count(static_cast<std::int64_t>(count)), count == 1 ? "" : "s", share,
                     most->first);
}

/// Explains why a pattern matches no file.
std::string what_is_missing(const fs::path& pattern, const SourceFiles& found, const std::vector<std::string>& include,
                            std::string_view key, const std::string& places) {
  std::string text = fmt::format("(relative to {}; of a folder, {} files count", places, fmt::join(include, " and "));
  if (!found.left.empty()) {
    text += fmt::format(", which leaves out {}; {} names others", describe_left(found.left),
                        key.starts_with("--") ? "--include" : "data.include");
  }
  if (is_kilns_folder(pattern)) text += ", but not those of a run or checkpoint";
  return text + ")";
}

}  // namespace

SourceKind source_kind(const fs::path& file) {
  const std::string extension = lower_extension(without_compression(file));
  return extension == ".jsonl" ? SourceKind::jsonl : extension == ".bin" ? SourceKind::tokens : SourceKind::text;
}

SourceFiles find_source_files(const std::vector<std::string>& patterns, std::string_view key,
                              const fs::path& base_directory, const std::vector<std::string>& include) {
  SourceFiles all;
  for (const std::string& pattern : patterns) {
    SourceFiles found = matches(pattern, include);
    if (found.files.empty() && !base_directory.empty()) found = matches(base_directory / pattern, include);
    std::error_code ignored;
    const std::string places = base_directory.empty() || fs::equivalent(base_directory, ".", ignored)
                                   ? "the current directory"
                                   : "the current directory and " + base_directory.string();
    check(!found.files.empty(), "{}: no file matches \"{}\" {}", key, pattern,
          found.files.empty() ? what_is_missing(pattern, found, include, key, places) : "");
    all.files.insert(all.files.end(), found.files.begin(), found.files.end());
    for (const auto& [extension, count] : found.left) all.left[extension] += count;
  }
  return all;
}

std::string name_of_files(const std::vector<fs::path>& files) {
  if (files.empty()) return "no file";
  const std::size_t others = files.size() - 1;
  return files.front().string() +
         (others == 0 ? "" : fmt::format(" and {} other file{}", others, others == 1 ? "" : "s"));
}

std::string describe_files(const SourceFiles& found) {
  std::uintmax_t bytes = 0;
  for (const fs::path& file : found.files) {
    std::error_code no_file;  // e.g. a pipe, which has no size
    const std::uintmax_t size = fs::file_size(file, no_file);
    if (!no_file) bytes += size;
  }
  const std::size_t count = found.files.size();
  return fmt::format("{} file{}, {}{}", format_count(static_cast<std::int64_t>(count)), count == 1 ? "" : "s",
                     format_bytes(static_cast<double>(bytes)),
                     found.left.empty() ? "" : "; left out: " + describe_left(found.left));
}

void check_held_out(const std::vector<fs::path>& train, const std::vector<fs::path>& held_out) {
  std::error_code ignored;
  std::set<fs::path> trained_on;
  for (const fs::path& file : train) trained_on.insert(fs::weakly_canonical(file, ignored));
  for (const fs::path& file : held_out) {
    check(!trained_on.contains(fs::weakly_canonical(file, ignored)),
          "data.validation: {} is in data.train too, so its loss would say nothing about other text; remove it from "
          "one of them",
          file.string());
  }
}

bool are_token_files(const std::vector<fs::path>& files, std::string_view key) {
  const auto is_tokens = [](const fs::path& file) { return source_kind(file) == SourceKind::tokens; };
  const auto first = std::find_if(files.begin(), files.end(), is_tokens);
  if (first == files.end()) return false;
  const auto text = std::find_if_not(files.begin(), files.end(), is_tokens);
  check(text == files.end(), "{}: {} is a token file and {} is text; give one kind", key, first->string(),
        text == files.end() ? "" : text->string());
  return true;
}

}  // namespace kiln
