// The manifest of a checkpoint: written last, it vouches for every other file of the folder.
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

/// Version of the checkpoint folder's layout; folders of a newer one are refused.
inline constexpr std::int64_t kCheckpointFormat = 1;

/// A checkpoint's files beside those of a Hugging Face folder.
inline constexpr const char* kConfigFile = "kiln.json";  // the run's config
inline constexpr const char* kOptimizerFile = "optimizer.safetensors";
inline constexpr const char* kStateFile = "trainer.json";
inline constexpr const char* kManifestFile = "manifest.json";

/// A checkpoint of a kiln that is newer than this one.
class NewerFormatError : public Error {
 public:
  using Error::Error;
};

struct Manifest {
  std::int64_t step = 0;
  FileDigests files;  // all but the manifest itself, by name
  // What makes two checkpoints comparable whatever their other files say; the first manifests had neither.
  std::optional<std::uint64_t> config;     // XXH3 of the run's config as kiln.json holds it
  std::optional<std::uint64_t> tokenizer;  // XXH3 of tokenizer.json
};

/// The text of manifest.json.
std::string format_manifest(const Manifest& manifest);

/// Reads a folder's manifest.json. Throws Error (bad_input) where it is missing, a link that leads out of the folder,
/// mistyped, without a file that every checkpoint has, or of a newer format (NewerFormatError, which names both
/// versions).
Manifest read_manifest(const std::filesystem::path& folder);

/// Something wrong with a file of a checkpoint.
struct FileProblem {
  std::string file;  // its name in the folder
  std::string found, expected, remedy;
};

/// "model.safetensors: has 9 bytes, the manifest says 10; was it cut short? ...".
std::string to_string(const FileProblem& problem);

/// What is wrong with a listed file's presence and size, which costs nothing to know, or with its contents, which are
/// read. Throws Error (bad_input) where the name leads out of the folder or the file cannot be opened, io.
std::optional<FileProblem> examine_size(const std::filesystem::path& folder, const std::string& name,
                                        const FileDigest& digest);
std::optional<FileProblem> examine_contents(const std::filesystem::path& folder, const std::string& name,
                                            const FileDigest& digest);

/// The keys that kiln.json and manifest.json begin with: the format and the kiln that wrote them.
Json versioned();

/// Reads an object that begins with them. Throws Error (bad_input; NewerFormatError).
Json read_versioned(const std::filesystem::path& path);

}  // namespace kiln
