// A checkpoint's manifest.json, in a folder of small files and a link that leads out: no file elsewhere is looked at.
#include "kiln/run/checkpoint.h"

#include "target.h"

namespace kiln::fuzz {
namespace {

/// checkpoint/ with a file of each name that a manifest has to list; out.txt beside it, and a link to that within.
class CheckpointFolder : public Folder {
 public:
  CheckpointFolder() {
    for (const char* name :
         {"config.json", "kiln.json", "model.safetensors", "optimizer.safetensors", "trainer.json"}) {
      put(std::string("checkpoint/") + name, "{}");
    }
    put("out.txt", "{}");
    std::filesystem::create_symlink(path() / "out.txt", checkpoint() / "link");
  }

  std::filesystem::path checkpoint() const { return path() / "checkpoint"; }
};

}  // namespace

void fuzz_manifest(std::string_view input) {
  static const CheckpointFolder folder;
  folder.put("checkpoint/manifest.json", input);
  const Manifest manifest = read_manifest(folder.checkpoint());
  require(manifest.step >= 0, "step {}", manifest.step);
  for (const auto& [name, digest] : manifest.files) {
    const std::optional<FileProblem> problem = examine_size(folder.checkpoint(), name, digest);
    if (!problem) require_within(folder.checkpoint(), folder.checkpoint() / name);
  }
  verify_checkpoint(folder.checkpoint());
  folder.put("checkpoint/manifest.json", format_manifest(manifest));
  const Manifest again = must([&] { return read_manifest(folder.checkpoint()); });
  require(again.step == manifest.step && again.files == manifest.files && again.config == manifest.config &&
              again.tokenizer == manifest.tokenizer,
          "another manifest");
}

}  // namespace kiln::fuzz
