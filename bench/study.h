// Runs a study from the command line: its options, its error messages and its exit code.
#pragma once

#include "kiln/core/threads.h"
#include "kiln/plot/picture.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <cstdio>
#include <exception>
#include <optional>
#include <string>

namespace kiln::testing {

/// The options that studies have in common. Those of a study extend them, and add_to().
struct StudyOptions {
  void add_to(CLI::App& app) {
    app.add_flag("--json", json, "print JSON instead of tables");
    app.add_option("--svg", svg, "draw a figure")->type_name("FILE")->each(check_picture_name);
  }

  bool json = false;
  std::optional<std::string> svg;
};

/// Reads a study's options from the command line and runs it with all cores. Returns the exit code: 0 if `study`
/// returns true.
template <class Options>
int run_study(int count, char** arguments, bool (*study)(const Options&)) {
  CLI::App app;
  app.option_defaults()->always_capture_default();
  Options options;
  options.add_to(app);
  try {
    app.parse(count, arguments);
    set_threads(0);
    return study(options) ? 0 : 1;
  } catch (const CLI::ParseError& error) {
    return app.exit(error);
  } catch (const std::exception& error) {
    fmt::print(stderr, "error: {}\n", error.what());
    return 1;
  }
}

}  // namespace kiln::testing
