// What a fuzz target is: a function over bytes that nobody vouches for, and the table of those there are.
#pragma once

#include "kiln/core/error.h"

#include <array>
#include <filesystem>
#include <ostream>
#include <stdexcept>
#include <string>
#include <string_view>

namespace kiln::fuzz {

/// kiln is wrong: an input was taken for something that it is not.
class Finding : public std::logic_error {
  using logic_error::logic_error;
};

/// Throws a Finding with a formatted message unless the condition holds.
template <class... Args>
void require(bool condition, fmt::format_string<Args...> format, Args&&... args) {
  if (!condition) throw Finding(fmt::format(format, std::forward<Args>(args)...));
}

/// The result of what may not be refused any more: an Error becomes a Finding.
template <class Call>
auto must(Call&& call) {
  try {
    return call();
  } catch (const Error& error) {
    throw Finding(fmt::format("refused after it was taken: {}", error.what()));
  }
}

/// Reads the input as kiln does, and holds what came of it to what is promised. Refuses by an Error; all else that
/// leaves it is a finding, as is a signal, a sanitizer's report, or memory by a number in the input.
struct Target {
  std::string_view name;  // of its folder in corpus/ and found/
  void (*run)(std::string_view input);
};

/// How GoogleTest names it.
inline void PrintTo(const Target& target, std::ostream* out) { *out << target.name; }

void fuzz_chat_template(std::string_view input);
void fuzz_compressed(std::string_view input);
void fuzz_config(std::string_view input);
void fuzz_conversations(std::string_view input);
void fuzz_gguf(std::string_view input);
void fuzz_http_request(std::string_view input);
void fuzz_jsonl(std::string_view input);
void fuzz_judgements(std::string_view input);
void fuzz_llmc_model(std::string_view input);
void fuzz_manifest(std::string_view input);
void fuzz_model_folder(std::string_view input);
void fuzz_prompt(std::string_view input);
void fuzz_request_body(std::string_view input);
void fuzz_run_files(std::string_view input);
void fuzz_safetensors(std::string_view input);
void fuzz_token_file(std::string_view input);
void fuzz_tokenizer_json(std::string_view input);
void fuzz_vocab_and_merges(std::string_view input);
void fuzz_weights_index(std::string_view input);

/// All targets; CMakeLists.txt names them too, for a program each.
inline constexpr std::array kTargets{
    Target{"chat_template", fuzz_chat_template},
    Target{"compressed", fuzz_compressed},
    Target{"config", fuzz_config},
    Target{"conversations", fuzz_conversations},
    Target{"gguf", fuzz_gguf},
    Target{"http_request", fuzz_http_request},
    Target{"jsonl", fuzz_jsonl},
    Target{"judgements", fuzz_judgements},
    Target{"llmc_model", fuzz_llmc_model},
    Target{"manifest", fuzz_manifest},
    Target{"model_folder", fuzz_model_folder},
    Target{"prompt", fuzz_prompt},
    Target{"request_body", fuzz_request_body},
    Target{"run_files", fuzz_run_files},
    Target{"safetensors", fuzz_safetensors},
    Target{"token_file", fuzz_token_file},
    Target{"tokenizer_json", fuzz_tokenizer_json},
    Target{"vocab_and_merges", fuzz_vocab_and_merges},
    Target{"weights_index", fuzz_weights_index},
};

/// Throws std::out_of_range for a name that is none's.
const Target& find_target(std::string_view name);

/// Runs the target: true where the input was taken, false where it was refused by an Error a user can act on (exit code
/// 2, 3 or 4, a message in UTF-8). Any other Error becomes a Finding, any other exception passes.
bool attempt(const Target& target, std::string_view input);

/// A folder in the system's place for temporaries (TMPDIR), removed with this object.
class Folder {
 public:
  Folder();
  ~Folder();
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  const std::filesystem::path& path() const { return path_; }

  /// Writes a file, with the folders it lies in, and returns its path.
  std::filesystem::path put(std::string_view name, std::string_view bytes) const;

 private:
  std::filesystem::path path_;
};

/// Requires a path to be of something within the folder, once links and ".." are followed.
void require_within(const std::filesystem::path& folder, const std::filesystem::path& path);

}  // namespace kiln::fuzz
