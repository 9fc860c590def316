// Queries the system (isatty, TIOCGWINSZ) and the environment (COLUMNS, NO_COLOR, TERM).
#include "kiln/core/terminal.h"

#include <cstdlib>
#include <string>
#include <string_view>
#include <sys/ioctl.h>
#include <unistd.h>

namespace kiln {
namespace {

constexpr int kUnknownWidth = 80;

std::string_view variable(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

}  // namespace

bool is_terminal(int file_descriptor) { return ::isatty(file_descriptor) == 1; }

int output_width(int file_descriptor) {
  winsize size{};
  if (::ioctl(file_descriptor, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  const int width = std::atoi(std::string(variable("COLUMNS")).c_str());
  return width > 0 ? width : kUnknownWidth;
}

bool output_has_color(int file_descriptor) {
  return is_terminal(file_descriptor) && variable("NO_COLOR").empty() && variable("TERM") != "dumb";
}

}  // namespace kiln
