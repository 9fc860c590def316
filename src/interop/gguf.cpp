// Builds the header in memory and streams the elements from the weights to the file.
#include "kiln/interop/gguf.h"

#include "kiln/core/file_streams.h"

#include <cassert>
#include <string_view>
#include <type_traits>

namespace kiln {
namespace {

constexpr std::uint32_t kGgufVersion = 3;
constexpr std::uint64_t kAlignment = 32;
constexpr std::size_t kLongestName = 63;  // of a tensor
enum ValueType : std::uint32_t { kU32 = 4, kI32 = 5, kF32 = 6, kBool = 7, kString = 8, kArray = 9 };

std::uint64_t aligned(std::uint64_t offset) { return (offset + kAlignment - 1) / kAlignment * kAlignment; }

/// Builds a header.
class GgufBytes {
 public:
  template <class T>
  void put(T value) {
    static_assert(std::is_arithmetic_v<T> && !std::is_same_v<T, bool>);
    text_.append(reinterpret_cast<const char*>(&value), sizeof value);
  }

  void put_string(std::string_view text) {
    put(std::uint64_t{text.size()});
    text_ += text;
  }

  void put_key(const GgufKey& key) {
    put_string(key.name);
    std::visit([this](const auto& value) { put_value(value); }, key.value);
  }

  void pad() { text_.resize(aligned(text_.size())); }
  const std::string& text() const { return text_; }

 private:
  void put_type(ValueType type) { put(static_cast<std::uint32_t>(type)); }

  void put_value(std::uint32_t value) { put_type(kU32), put(value); }
  void put_value(float value) { put_type(kF32), put(value); }
  void put_value(bool value) { put_type(kBool), put(static_cast<std::uint8_t>(value)); }
  void put_value(const std::string& value) { put_type(kString), put_string(value); }
  void put_value(const std::vector<std::int32_t>& values) {
    put_array(kI32, values.size());
    for (const std::int32_t value : values) put(value);
  }
  void put_value(const std::vector<std::string>& values) {
    put_array(kString, values.size());
    for (const std::string& value : values) put_string(value);
  }
  void put_array(ValueType type, std::size_t count) { put_type(kArray), put_type(type), put(std::uint64_t{count}); }

  std::string text_;
};

}  // namespace

std::uint32_t gguf_type(DataType type) {
  assert(type == DataType::f32 || type == DataType::f16 || type == DataType::bf16);
  return type == DataType::f16 ? 1 : type == DataType::bf16 ? 30 : 0;
}

FileDigest write_gguf(const std::filesystem::path& path, std::span<const GgufKey> keys,
                      std::span<const TensorSource> tensors) {
  GgufBytes header;
  for (const char letter : std::string_view("GGUF")) header.put(letter);
  header.put(kGgufVersion);
  header.put(std::uint64_t{tensors.size()});
  header.put(std::uint64_t{keys.size()});
  for (const GgufKey& key : keys) header.put_key(key);
  std::uint64_t offset = 0;
  for (const TensorSource& tensor : tensors) {
    assert(tensor.name.size() <= kLongestName);
    header.put_string(tensor.name);
    header.put(static_cast<std::uint32_t>(tensor.shape.size()));
    for (auto size = tensor.shape.rbegin(); size != tensor.shape.rend(); ++size)
      header.put(static_cast<std::uint64_t>(*size));
    header.put(gguf_type(tensor.type));
    header.put(offset);
    offset = aligned(offset + tensor.bytes());
  }
  header.pad();
  FileWriter file(path);
  file.write(header.text());
  for (const TensorSource& tensor : tensors) {
    write_elements(file, tensor);
    file.write(std::string(aligned(tensor.bytes()) - tensor.bytes(), '\0'));
  }
  return file.finish();
}

}  // namespace kiln
