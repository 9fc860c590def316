// Defines the rules for where kiln's files belong, checked on text in memory so that the checker itself can be tested.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

namespace kiln::architecture {

/// One file: its path relative to the project's root ("src/core/file.cpp") and its text.
struct SourceFile {
  std::string path;
  std::string text;
};

/// A violation of a rule. `line` counts from 1; 0 means the whole file.
struct Violation {
  std::string path;
  int line = 0;
  std::string rule;
};

/// One `#include`: its line, its target, and whether it is in quotes or in angle brackets.
struct Include {
  int line = 0;
  std::string target;
  bool quoted = false;
};

/// A folder of include/kiln and src, and its floor.
struct Floor {
  std::string_view folder;
  int level;
};

inline constexpr Floor kFloors[] = {
    {"core", 0}, {"tensor", 1},  {"plot", 1},  {"kernels", 2}, {"nn", 3},    {"text", 3},  {"optim", 4},
    {"data", 4}, {"interop", 5}, {"infer", 5}, {"run", 6},     {"train", 7}, {"serve", 8}, {"cli", 9},
};

/// Within a folder, `below` must not include `above`.
struct Order {
  std::string_view folder, below, above;
};

inline constexpr Order kOrders[] = {
    {"nn", "model_config", "block"},
    {"nn", "model_config", "gpt"},
    {"nn", "block", "gpt"},
    {"nn", "block", "heads"},
    {"nn", "position_tables", "block"},
    {"run", "run_directory", "checkpoint"},
    {"train", "objective", "training_run"},
};

/// A library (its headers start with `header`) that only files whose paths start with one of `allowed` may include.
struct Door {
  std::string_view header;
  std::array<std::string_view, 2> allowed;
  std::string_view reason;
};

inline constexpr Door kDoors[] = {
    {"zlib.h", {"src/core/compressed_file", "tests/support/compress"}, "core/compressed_file alone decompresses"},
    {"zstd.h", {"src/core/compressed_file", "tests/support/compress"}, "core/compressed_file alone decompresses"},
    {"librsvg/", {"src/plot/picture"}, "plot/picture alone draws pixels"},
    {"histedit.h", {"src/cli/line_editor"}, "cli/line_editor alone edits lines"},
    {"boost/", {"src/serve/http_server", ""}, "serve/http_server alone speaks HTTP"},
    {"mpi.h", {"src/core/world_mpi", ""}, "core/world_mpi alone speaks MPI"},
    {"CLI/", {"src/cli/", "include/kiln/cli/"}, "the command line is known to the top floor alone"},
    {"spdlog/", {"src/cli/", ""}, "only the program logs; the library reports through core/report"},
    {"csignal", {"src/cli/", "src/core/map_guard"}, "only the program handles signals"},
};

/// Calls that change the whole process, which only the top floor makes: the library also lives inside other programs.
/// src/core defines them.
inline constexpr std::string_view kEdgeCalls[] = {"set_threads(", "set_reporter(", "watch_stop_signals(",
                                                  "std::cout",    "std::cerr",     "isatty("};

inline constexpr int kMaxLines = 450;

/// Returns the includes of a text, in order, except those in // comments.
std::vector<Include> find_includes(std::string_view text);

/// Returns all violations in these files, which must be the whole of include/, src/ and tests/, since includes are
/// looked up in them. The rules:
/// - an include of the project's own is quoted, exists, and goes to a lower floor or stays in its folder (tests/F is on
/// F's floor)
/// - kOrders and kDoors hold; the top floor alone makes kEdgeCalls; headers of one folder do not include each other in
/// a cycle
/// - a header in include/kiln/F is included by a public header or by the sources of a floor other than F (tests do not
/// count)
/// - a header in src/F is included only by src/F and by tests
/// - a file has at most kMaxLines lines and opens with a // comment that says its purpose; a header has #pragma once
std::vector<Violation> check_architecture(const std::vector<SourceFile>& files);

/// Returns "src/nn/block.cpp:3: rule", one per line.
std::string to_text(const std::vector<Violation>& violations);

}  // namespace kiln::architecture
