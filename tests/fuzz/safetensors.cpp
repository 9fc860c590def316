// A safetensors file: every tensor lies inside the file and is as large as its shape, and its header says so again.
#include "kiln/tensor/safetensors.h"

#include "target.h"

namespace kiln::fuzz {
namespace {

/// Reads all elements, as the numbers that the type is of.
void read_all(const SafetensorsFile& file, const TensorInfo& tensor) {
  switch (tensor.type) {
    case DataType::f16:
    case DataType::bf16:
    case DataType::f32:
      must([&] { return file.read<float>(tensor.name); });
      break;
    case DataType::f64:
      must([&] { return file.read<double>(tensor.name); });
      break;
    case DataType::boolean:
    case DataType::f8_e5m2:
    case DataType::f8_e4m3:
    case DataType::u64:
      file.read<float>(tensor.name);  // refused
      break;
    default:
      must([&] { return file.read<Index>(tensor.name); });
  }
}

}  // namespace

void fuzz_safetensors(std::string_view input) {
  static const Folder folder;
  const SafetensorsFile file(folder.put("model.safetensors", input));
  std::uint64_t data = 0;
  for (const TensorInfo& tensor : file.tensors()) {
    require(tensor.begin <= tensor.end && tensor.end <= input.size(), "{} lies outside of the file", tensor.name);
    Index elements = 1;
    for (const Index size : tensor.shape) elements *= size;
    require(elements == tensor.elements(), "{} has {} elements, not {}", tensor.name, tensor.elements(), elements);
    require(file.find(tensor.name) == &tensor, "{} is not found", tensor.name);
    data += tensor.end - tensor.begin;
  }
  const std::string header = format_safetensors_header(file.tensors(), file.metadata());
  const SafetensorsHeader again = must([&] { return parse_safetensors_header(header, data, "again"); });
  require(again.tensors.size() == file.tensors().size() && again.metadata == file.metadata(), "another header: {}",
          header);
  for (const TensorInfo& tensor : file.tensors()) read_all(file, tensor);
}

}  // namespace kiln::fuzz
