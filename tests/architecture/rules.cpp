// Reads includes line by line and checks them against the tables of rules.h.
#include "rules.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <optional>
#include <set>

namespace kiln::architecture {
namespace {

using Files = std::map<std::string, std::string_view>;  // path -> text

bool is_header(std::string_view path) { return path.ends_with(".h"); }

std::string stem_of(std::string_view path) { return std::filesystem::path(path).stem().string(); }

/// Returns the folder: "nn" for "src/nn/gpt.cpp", "include/kiln/nn/gpt.h" and "tests/nn/gpt_test.cpp"; "" outside these
/// three.
std::string_view folder_of(std::string_view path) {
  for (const std::string_view root : {"include/kiln/", "src/", "tests/"}) {
    if (!path.starts_with(root)) continue;
    path.remove_prefix(root.size());
    const std::size_t slash = path.find('/');
    return slash == std::string_view::npos ? std::string_view() : path.substr(0, slash);
  }
  return {};
}

std::optional<int> level_of(std::string_view folder) {
  for (const Floor& floor : kFloors) {
    if (floor.folder == folder) return floor.level;
  }
  return std::nullopt;
}

/// Returns the project's file that a quoted include names: in include/, beside the including file, or (for tests) in
/// tests/.
std::optional<std::string> resolve(const Files& files, const std::string& from, const std::string& target) {
  const std::filesystem::path beside = std::filesystem::path(from).parent_path() / target;
  for (const std::filesystem::path& candidate :
       {"include" / std::filesystem::path(target), "src" / std::filesystem::path(target), beside,
        "tests" / std::filesystem::path(target)}) {
    const std::string path = candidate.lexically_normal().generic_string();
    if (path.starts_with("tests/") && !from.starts_with("tests/")) continue;
    if (files.contains(path)) return path;
  }
  return std::nullopt;
}

class Checker {
 public:
  explicit Checker(const std::vector<SourceFile>& files) {
    for (const SourceFile& file : files) files_[file.path] = file.text;
  }

  std::vector<Violation> run() {
    for (const auto& [path, text] : files_) {
      check_form(path, text);
      check_edge(path, text);
      for (const Include& include : find_includes(text)) check_include(path, include);
    }
    check_public_headers();
    check_circles();
    return std::move(violations_);
  }

 private:
  void add(const std::string& path, int line, std::string rule) {
    violations_.push_back({path, line, std::move(rule)});
  }

  void check_form(const std::string& path, std::string_view text) {
    const auto breaks = std::count(text.begin(), text.end(), '\n');
    const auto lines = breaks + (text.empty() || text.ends_with('\n') ? 0 : 1);
    if (lines > kMaxLines) {
      add(path, kMaxLines + 1,
          "the file has " + std::to_string(lines) + " lines, " + std::to_string(kMaxLines) +
              " is the most; give a part of it a file of its own");
    }
    if (!text.starts_with("// ")) add(path, 1, "a file opens with a // comment that says its purpose in one sentence");
    if (is_header(path) && text.find("\n#pragma once\n") == std::string_view::npos)
      add(path, 1, "a header has #pragma once");
    const bool placed = path.starts_with("src/") || path.starts_with("include/");
    if (placed && !level_of(folder_of(path))) {
      add(path, 0,
          "the folder stands on no floor; name it in kFloors (tests/architecture/rules.h) and docs/architecture.md");
    }
  }

  void check_edge(const std::string& path, std::string_view text) {
    const bool may = path.starts_with("src/cli/") || path.starts_with("tests/") || folder_of(path) == "core";
    if (may) return;
    for (const std::string_view call : kEdgeCalls) {
      const std::size_t at = text.find(call);
      if (at == std::string_view::npos) continue;
      const auto line = static_cast<int>(1 + std::count(text.begin(), text.begin() + static_cast<long>(at), '\n'));
      add(path, line, std::string(call) + ": the top floor alone changes the process and prints");
    }
  }

  void check_include(const std::string& path, const Include& include) {
    check_doors(path, include);
    const bool own = include.quoted || include.target.starts_with("kiln/");
    if (!own) return;
    if (!include.quoted) add(path, include.line, "<" + include.target + ">: kiln's own headers are included in quotes");
    const std::optional<std::string> found = resolve(files_, path, include.target);
    if (!found) {
      add(path, include.line, "\"" + include.target + "\": there is no such file");
      return;
    }
    if (is_header(path) && is_header(*found)) edges_[path].insert({*found, include.line});
    if (path.starts_with("include/") || (path.starts_with("src/") && folder_of(path) != folder_of(*found)))
      needed_.insert(*found);
    check_floors(path, include, *found);
    check_private(path, include, *found);
  }

  void check_doors(const std::string& path, const Include& include) {
    if (path.starts_with("tests/")) return;
    for (const Door& door : kDoors) {
      if (!include.target.starts_with(door.header)) continue;
      const bool inside = std::any_of(door.allowed.begin(), door.allowed.end(), [&](std::string_view prefix) {
        return !prefix.empty() && path.starts_with(prefix);
      });
      if (!inside) add(path, include.line, "<" + include.target + ">: " + std::string(door.reason));
    }
  }

  void check_floors(const std::string& path, const Include& include, const std::string& found) {
    const std::string_view from = folder_of(path), to = folder_of(found);
    const std::optional<int> from_level = level_of(from), to_level = level_of(to);
    if (!from_level || !to_level) return;  // tests/support and the like belong to no floor
    if (from != to && *to_level >= *from_level) {
      add(path, include.line,
          "\"" + include.target + "\": " + std::string(from) + " (floor " + std::to_string(*from_level) +
              ") may include lower floors and its own folder, " + std::string(to) + " is on floor " +
              std::to_string(*to_level));
    }
    if (from != to || path.starts_with("tests/")) return;
    for (const Order& order : kOrders) {
      if (order.folder == from && stem_of(path) == order.below && stem_of(found) == order.above) {
        add(path, include.line,
            "\"" + include.target + "\": " + std::string(order.below) + " stands below " + std::string(order.above) +
                " and may not include it");
      }
    }
  }

  /// Reports a header of src/ that a public header or another floor's source includes.
  void check_private(const std::string& path, const Include& include, const std::string& found) {
    if (!found.starts_with("src/") || path.starts_with("tests/")) return;
    if (path.starts_with("src/") && folder_of(path) == folder_of(found)) return;
    const std::string to(folder_of(found));
    add(path, include.line,
        "\"" + include.target + "\": only src/" + to +
            "/ may include it; where others need it, it lies in include/kiln/" + to + "/");
  }

  /// Reports each public header that only the sources of its own floor include.
  void check_public_headers() {
    for (const auto& [path, text] : files_) {
      const bool is_public = path.starts_with("include/kiln/") && is_header(path);
      if (!is_public || needed_.contains(path)) continue;
      const std::string folder(folder_of(path));
      add(path, 0,
          "no public header and no other floor includes it; move it to src/" + folder + "/" + stem_of(path) + ".h");
    }
  }

  /// Reports each header include that closes a cycle.
  void check_circles() {
    std::set<std::string> done;
    std::vector<std::string> trail;
    for (const auto& [path, targets] : edges_) walk(path, trail, done);
  }

  void walk(const std::string& path, std::vector<std::string>& trail, std::set<std::string>& done) {
    if (done.contains(path)) return;
    trail.push_back(path);
    for (const auto& [target, line] : edges_[path]) {
      if (std::find(trail.begin(), trail.end(), target) != trail.end()) {
        add(path, line, "\"" + target + "\" includes this file in turn: a circle");
      } else {
        walk(target, trail, done);
      }
    }
    trail.pop_back();
    done.insert(path);
  }

  Files files_;
  std::map<std::string, std::set<std::pair<std::string, int>>> edges_;  // header -> kiln's headers that it includes
  std::set<std::string> needed_;  // headers that a public header or another floor's sources include
  std::vector<Violation> violations_;
};

std::string_view trim_left(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size()));
  return text;
}

}  // namespace

std::vector<Include> find_includes(std::string_view text) {
  constexpr std::string_view kInclude = "include";
  std::vector<Include> includes;
  int number = 0;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = trim_left(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    ++number;
    if (!line.starts_with('#')) continue;
    line = trim_left(line.substr(1));
    if (!line.starts_with(kInclude)) continue;
    line = trim_left(line.substr(kInclude.size()));
    if (line.empty() || (line[0] != '"' && line[0] != '<')) continue;
    const bool quoted = line[0] == '"';
    const std::size_t close = line.find(quoted ? '"' : '>', 1);
    if (close == std::string_view::npos) continue;
    includes.push_back({number, std::string(line.substr(1, close - 1)), quoted});
  }
  return includes;
}

std::vector<Violation> check_architecture(const std::vector<SourceFile>& files) { return Checker(files).run(); }

std::string to_text(const std::vector<Violation>& violations) {
  std::string text;
  for (const Violation& violation : violations) {
    text += violation.path + ":" + std::to_string(violation.line) + ": " + violation.rule + "\n";
  }
  return text;
}

}  // namespace kiln::architecture
