// What all targets share: which answers count as a refusal, and files for those who read files.
#include "target.h"

#include "kiln/core/utf8.h"

#include <algorithm>
#include <fstream>
#include <unistd.h>

namespace kiln::fuzz {

namespace fs = std::filesystem;

const Target& find_target(std::string_view name) {
  const auto* found = std::ranges::find(kTargets, name, &Target::name);
  if (found == kTargets.end()) throw std::out_of_range("no fuzz target is called " + std::string(name));
  return *found;
}

bool attempt(const Target& target, std::string_view input) {
  try {
    target.run(input);
    return true;
  } catch (const Error& error) {
    const std::string_view message = error.what();
    require(error.code() != ExitCode::failure && error.code() != ExitCode::io, "not the input's fault: {}", message);
    require(!message.empty() && utf8_valid_until(message, 0) == message.size(), "a message that is no text: {}",
            utf8_replace_invalid(message));
    return false;
  }
}

Folder::Folder() {
  static int count = 0;
  path_ = fs::temp_directory_path() / fmt::format("kiln-fuzz-{}-{}", ::getpid(), count++);
  fs::create_directories(path_);
}

Folder::~Folder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

fs::path Folder::put(std::string_view name, std::string_view bytes) const {
  fs::path path = path_ / name;
  fs::create_directories(path.parent_path());
  std::ofstream file(path, std::ios::binary);
  file << bytes;
  file.close();
  if (!file) throw std::runtime_error("cannot write " + path.string());
  return path;
}

void require_within(const fs::path& folder, const fs::path& path) {
  const fs::path inner = fs::canonical(path).lexically_relative(fs::canonical(folder));
  require(!inner.empty() && *inner.begin() != "..", "{} lies outside of {}", path.string(), folder.string());
}

}  // namespace kiln::fuzz
