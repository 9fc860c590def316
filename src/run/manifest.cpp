// Formats, reads and checks manifests.
#include "kiln/run/manifest.h"

#include "kiln/core/file.h"
#include "kiln/core/file_streams.h"
#include "kiln/core/format.h"
#include "kiln/interop/huggingface_config.h"
#include "kiln/interop/peft.h"

#include <nlohmann/json.hpp>

#include <array>
#include <cstdlib>

namespace kiln {
namespace {

namespace fs = std::filesystem;

constexpr std::array kRequired{kConfigFile, kOptimizerFile, kStateFile};  // plus the model, or its adapters

/// Reads 16 hexadecimal digits; `pointer` is their place, for messages.
std::uint64_t read_hash(const Json& json, const fs::path& path, std::string_view pointer) {
  const std::string text = json.is_string() ? json.get<std::string>() : std::string();
  const std::uint64_t hash = std::strtoull(text.c_str(), nullptr, 16);
  check_input(hex(hash) == text, "{}: {}: 16 hexadecimal digits are expected", path.string(), pointer);
  return hash;
}

std::optional<std::uint64_t> read_optional_hash(const Json& manifest, const char* key, const fs::path& path) {
  const Json value = manifest.value(key, Json());
  if (value.is_null()) return std::nullopt;
  return read_hash(value, path, std::string("/") + key);
}

FileDigests read_files(const Json& files, const fs::path& path) {
  check_input(files.is_object(), "{}: /files: an object is expected", path.string());
  FileDigests digests;
  for (const auto& [name, entry] : files.items()) {
    const bool sound = entry.is_object() && entry.value("size", Json()).is_number_unsigned() &&
                       entry.value("xxh3", Json()).is_string();
    check_input(sound, "{}: /files/{}: a size and an xxh3 are expected", path.string(), name);
    const std::uint64_t hash = read_hash(entry["xxh3"], path, fmt::format("/files/{}/xxh3", name));
    digests[name] = {entry["size"].get<std::uint64_t>(), hash};
  }
  const auto lists = [&](std::string_view name) { return digests.contains(std::string(name)); };
  const auto require = [&](std::string_view name) {
    check_input(lists(name), "{}: {} is not listed", path.string(), name);
  };
  for (const char* name : kRequired) require(name);
  if (lists(kAdapterConfigFile)) {
    require(kAdapterWeightsFile);
  } else {
    require(kModelConfigFile);
    if (!lists(kWeightsIndex)) require(kWeightsFile);
  }
  return digests;
}

constexpr const char* kReplace = "copy it again, or take another checkpoint";

}  // namespace

std::string to_string(const FileProblem& problem) {
  return fmt::format("{}: {}, {}; {}", problem.file, problem.found, problem.expected, problem.remedy);
}

std::optional<FileProblem> examine_size(const std::filesystem::path& folder, const std::string& name,
                                        const FileDigest& digest) {
  const fs::path path = path_within(folder, name);
  std::error_code error;
  if (!fs::is_regular_file(path, error)) return FileProblem{name, "is missing", "the manifest lists it", kReplace};
  const std::uint64_t size = FileReader(path).size();
  if (size == digest.size) return std::nullopt;
  return FileProblem{name, "has " + counted(static_cast<std::int64_t>(size), "byte"),
                     "the manifest says " + format_count(static_cast<std::int64_t>(digest.size)),
                     fmt::format("was it cut short? {}", kReplace)};
}

std::optional<FileProblem> examine_contents(const std::filesystem::path& folder, const std::string& name,
                                            const FileDigest& digest) {
  const std::uint64_t hash = hash_file(path_within(folder, name));
  if (hash == digest.hash) return std::nullopt;
  return FileProblem{name, fmt::format("the checksum is {}", hex(hash)),
                     fmt::format("the manifest says {}", hex(digest.hash)),
                     fmt::format("the file has been damaged or changed: {}", kReplace)};
}

Json versioned() { return {{"format_version", kCheckpointFormat}, {"kiln_version", KILN_VERSION}}; }

Json read_versioned(const std::filesystem::path& path) {
  Json json = read_json_object(path);
  const Json version = json.value("format_version", Json());
  check_input(version.is_number_integer() && version > 0, "{}: /format_version: a number is expected", path.string());
  if (version > kCheckpointFormat) {
    throw NewerFormatError(
        ExitCode::bad_input,
        printable(fmt::format("{}: written in format {}, and this kiln ({}) knows those up to {}; use a newer kiln",
                              path.string(), brief_json(version), KILN_VERSION, kCheckpointFormat)));
  }
  return json;
}

std::string format_manifest(const Manifest& manifest) {
  Json json = versioned();
  json["step"] = manifest.step;
  if (manifest.config) json["config_xxh3"] = hex(*manifest.config);
  if (manifest.tokenizer) json["tokenizer_xxh3"] = hex(*manifest.tokenizer);
  json["files"] = Json::object();
  for (const auto& [name, digest] : manifest.files) {
    json["files"][name] = {{"size", digest.size}, {"xxh3", hex(digest.hash)}};
  }
  return format_json(json);
}

Manifest read_manifest(const std::filesystem::path& folder) {
  const fs::path path = path_within(folder, kManifestFile);
  check_input(path_exists(path), "{}: there is no {}: the checkpoint was not finished", folder.string(), kManifestFile);
  const Json json = read_versioned(path);
  Manifest manifest;
  const Json step = json.value("step", Json(0));
  check_input(step.is_number_integer() && step >= 0, "{}: /step: a count is expected", path.string());
  manifest.step = step.get<std::int64_t>();
  manifest.files = read_files(json.value("files", Json()), path);
  manifest.config = read_optional_hash(json, "config_xxh3", path);
  manifest.tokenizer = read_optional_hash(json, "tokenizer_xxh3", path);
  return manifest;
}

}  // namespace kiln
