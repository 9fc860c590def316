// Throws messages of several lines.
#include "kiln/core/error.h"

namespace kiln {

void fail_lines(ExitCode code, const std::vector<std::string>& lines) {
  std::string message;
  for (const std::string& line : lines) {
    if (!message.empty()) message += '\n';
    message += printable(line);
  }
  throw Error(code, message);
}

}  // namespace kiln
