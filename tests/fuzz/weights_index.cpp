// model.safetensors.index.json, in a folder of two shards and a link that leads out: no tensor is read from elsewhere.
#include "kiln/interop/weight_files.h"

#include "target.h"

namespace kiln::fuzz {
namespace {

constexpr float kElements[] = {1, 2};

/// model/ with the shards a (tensors w, x) and b (y); out.safetensors beside it, and a link to that within.
class ShardedModel : public Folder {
 public:
  ShardedModel() {
    std::filesystem::create_directories(model());
    write("model/a.safetensors", {"w", "x"});
    write("model/b.safetensors", {"y"});
    write("out.safetensors", {"w", "x", "y"});
    std::filesystem::create_symlink(path() / "out.safetensors", model() / "link.safetensors");
  }

  std::filesystem::path model() const { return path() / "model"; }

 private:
  void write(std::string_view name, const std::vector<std::string>& tensors) const {
    std::vector<TensorSource> sources;
    for (const std::string& tensor : tensors) sources.push_back({tensor, {2}, mat(kElements, 1, 2)});
    write_safetensors(path() / name, sources);
  }
};

}  // namespace

void fuzz_weights_index(std::string_view input) {
  static const ShardedModel folder;
  folder.put(std::string("model/").append(kWeightsIndex), input);
  const WeightFiles files(folder.model());
  require(!files.tensors().empty(), "no tensor, and no error");
  for (const StoredTensor& tensor : files.tensors()) {
    require_within(folder.model(), tensor.file->path());
    require(files.find(tensor.info->name)->info->name == tensor.info->name, "{} is not found", tensor.info->name);
    must([&] { return tensor.file->read<float>(tensor.info->name); });
  }
}

}  // namespace kiln::fuzz
