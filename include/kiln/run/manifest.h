// Reads and writes a checkpoint's manifest: written last, it lists every other file with its size and checksum.
#pragma once

#include "kiln/core/error.h"
#include "kiln/core/hash.h"
#include "kiln/core/json.h"
#include "kiln/interop/huggingface.h"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

namespace kiln {

/// Version of the checkpoint folder's layout; newer ones are refused.
inline constexpr std::int64_t kCheckpointFormat = 1;

/// A checkpoint's files, in addition to those of a Hugging Face folder.
inline constexpr const char* kConfigFile = "kiln.json";  // the run's config
inline constexpr const char* kOptimizerFile = "optimizer.safetensors";
inline constexpr const char* kStateFile = "trainer.json";
inline constexpr const char* kRolloutFile = "rollout.json";  // of policy gradients
inline constexpr const char* kManifestFile = "manifest.json";

/// Thrown for a checkpoint of a newer kiln.
class NewerFormatError : public Error {
 public:
  using Error::Error;
};

struct Manifest {
  std::int64_t step = 0;
  FileDigests files;  // all but the manifest itself, by name
  // Identify config and tokenizer whatever the other files say; the first manifests had neither.
  std::optional<std::uint64_t> config;     // XXH3 of the run's config as stored in kiln.json
  std::optional<std::uint64_t> tokenizer;  // XXH3 of tokenizer.json
};

/// Returns the text of manifest.json.
std::string format_manifest(const Manifest& manifest);

/// Reads a folder's manifest.json. Throws Error (bad_input) if it is missing, a link out of the folder or malformed, or
/// lists too few files; NewerFormatError, with both versions, for a newer format.
Manifest read_manifest(const std::filesystem::path& folder);

/// A problem with a file of a checkpoint.
struct FileProblem {
  std::string file;  // its name in the folder
  std::string found, expected, remedy;
};

/// Returns "model.safetensors: has 9 bytes, the manifest says 10; was it cut short? ...".
std::string to_string(const FileProblem& problem);

/// Check that a listed file exists and has the right size, which is cheap, or the right contents, which reads it all.
/// Return the problem, if any. Throw Error (bad_input) if the name leaves the folder or the file cannot be opened; io.
std::optional<FileProblem> examine_size(const std::filesystem::path& folder, const std::string& name,
                                        const FileDigest& digest);
std::optional<FileProblem> examine_contents(const std::filesystem::path& folder, const std::string& name,
                                            const FileDigest& digest);

/// Returns the first keys of kiln.json and manifest.json: the format and the version of kiln.
Json versioned();

/// Reads a JSON object that starts with these keys. Throws Error (bad_input; NewerFormatError).
Json read_versioned(const std::filesystem::path& path);

}  // namespace kiln
