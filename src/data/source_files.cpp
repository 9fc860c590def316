// Globs by glob(3), folders by the standard library; both sorted, so that every machine reads the same order.
#include "kiln/data/source_files.h"

#include "kiln/core/error.h"
#include "kiln/core/extension.h"

#include <algorithm>
#include <glob.h>
#include <memory>
#include <set>
#include <system_error>

namespace kiln {
namespace {

namespace fs = std::filesystem;

std::vector<fs::path> text_files_below(const fs::path& folder) {
  std::vector<fs::path> files;
  try {
    for (const fs::directory_entry& entry : fs::recursive_directory_iterator(folder)) {
      const std::string extension = lower_extension(entry.path());
      if ((extension == ".txt" || extension == ".jsonl") && entry.is_regular_file()) files.push_back(entry.path());
    }
  } catch (const fs::filesystem_error& error) {
    fail(ExitCode::bad_input, "{}: the folder cannot be searched: {}", error.path1().string(), error.code().message());
  }
  return files;
}

std::vector<fs::path> glob_matches(const fs::path& pattern) {
  glob_t found{};
  const int status = ::glob(pattern.c_str(), GLOB_NOSORT, nullptr, &found);
  const std::unique_ptr<glob_t, void (*)(glob_t*)> owner(&found, ::globfree);
  if (status == GLOB_NOMATCH) return {};
  check_io(status == 0, "{}: the pattern cannot be searched for", pattern.string());
  return {found.gl_pathv, found.gl_pathv + found.gl_pathc};
}

/// The files of one pattern, sorted; none where it matches nothing. A name that exists is never taken for a glob.
std::vector<fs::path> matches(const fs::path& pattern) {
  std::error_code ignored;
  std::vector<fs::path> files;
  for (const fs::path& path : fs::exists(pattern, ignored) ? std::vector{pattern} : glob_matches(pattern)) {
    if (!fs::is_directory(path, ignored)) {
      files.push_back(path);
      continue;
    }
    const std::vector<fs::path> below = text_files_below(path);
    files.insert(files.end(), below.begin(), below.end());
  }
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace

SourceKind source_kind(const fs::path& file) {
  const std::string extension = lower_extension(file);
  return extension == ".jsonl" ? SourceKind::jsonl : extension == ".bin" ? SourceKind::tokens : SourceKind::text;
}

std::vector<fs::path> find_source_files(const std::vector<std::string>& patterns, std::string_view key,
                                        const fs::path& base_directory) {
  std::vector<fs::path> files;
  for (const std::string& pattern : patterns) {
    std::vector<fs::path> found = matches(pattern);
    if (found.empty() && !base_directory.empty()) found = matches(base_directory / pattern);
    std::error_code ignored;
    const std::string places = base_directory.empty() || fs::equivalent(base_directory, ".", ignored)
                                   ? "the current directory"
                                   : "the current directory and " + base_directory.string();
    check(!found.empty(), "{}: no file matches \"{}\" (relative to {}; of a folder, .txt and .jsonl files count)", key,
          pattern, places);
    files.insert(files.end(), found.begin(), found.end());
  }
  return files;
}

void check_held_out(const std::vector<fs::path>& train, const std::vector<fs::path>& held_out) {
  std::error_code ignored;
  std::set<fs::path> trained_on;
  for (const fs::path& file : train) trained_on.insert(fs::weakly_canonical(file, ignored));
  for (const fs::path& file : held_out) {
    check(!trained_on.contains(fs::weakly_canonical(file, ignored)),
          "data.validation: {} is in data.train too, and its loss would say nothing of other text; take it out of one",
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
