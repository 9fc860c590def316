// Parses a header with a SAX listener that accepts only valid headers, and checks their contents.
#include "kiln/tensor/safetensors_header.h"

#include "kiln/core/error.h"

#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <limits>
#include <optional>

namespace kiln {
namespace {

using JsonText = nlohmann::json;

constexpr std::size_t kHighestRank = 32;
constexpr std::string_view kMetadata = "__metadata__";

struct DataTypeEntry {
  std::string_view name;
  std::uint64_t size;
};
constexpr std::array<DataTypeEntry, 15> kDataTypes{{{"BOOL", 1},
                                                    {"U8", 1},
                                                    {"I8", 1},
                                                    {"F8_E5M2", 1},
                                                    {"F8_E4M3", 1},
                                                    {"I16", 2},
                                                    {"U16", 2},
                                                    {"F16", 2},
                                                    {"BF16", 2},
                                                    {"I32", 4},
                                                    {"U32", 4},
                                                    {"F32", 4},
                                                    {"F64", 8},
                                                    {"I64", 8},
                                                    {"U64", 8}}};

/// Accepts {"name": {"dtype", "shape", "data_offsets"}, .., "__metadata__": {"key": "value"}}.
class HeaderListener final : public nlohmann::json_sax<JsonText> {
 public:
  explicit HeaderListener(std::string_view source) : source_(source) {}

  SafetensorsHeader take() { return std::move(header_); }

  bool start_object(std::size_t) override {
    if (place_ == Place::outside) {
      place_ = Place::root;
    } else if (place_ == Place::root && key_ == kMetadata) {
      expect(!metadata_seen_, "the key is given twice");
      metadata_seen_ = true;
      place_ = Place::metadata;
    } else {
      expect(place_ == Place::root, "an object stands where none is expected");
      tensor_ = {};
      tensor_.name = key_;
      type_.reset();
      shape_seen_ = false;
      offsets_.clear();
      place_ = Place::tensor;
    }
    return true;
  }

  bool key(std::string& key) override {
    (place_ == Place::root ? key_ : inner_key_) = std::move(key);
    return true;
  }

  bool string(std::string& value) override {
    if (place_ == Place::metadata) {
      expect(header_.metadata.try_emplace(inner_key_, std::move(value)).second, "a key is given twice");
      return true;
    }
    expect(place_ == Place::tensor && inner_key_ == "dtype", "a string stands where none is expected");
    expect(!type_.has_value(), "\"dtype\" is given twice");
    const auto* entry = std::ranges::find(kDataTypes, value, &DataTypeEntry::name);
    expect(entry != kDataTypes.end(), "its dtype is not one that kiln knows");
    type_ = static_cast<DataType>(entry - kDataTypes.begin());
    return true;
  }

  bool start_array(std::size_t) override {
    const bool shape = inner_key_ == "shape";
    expect(place_ == Place::tensor && (shape || inner_key_ == "data_offsets"),
           "an array stands where none is expected");
    expect(shape ? !shape_seen_ : offsets_.empty(), "\"shape\" or \"data_offsets\" is given twice");
    place_ = shape ? Place::shape : Place::offsets;
    return true;
  }

  bool number_unsigned(std::uint64_t value) override {
    if (place_ == Place::shape) {
      expect(tensor_.shape.size() < kHighestRank, "its shape has more than 32 dimensions");
      expect(value <= static_cast<std::uint64_t>(std::numeric_limits<Index>::max()), "its shape overflows");
      tensor_.shape.push_back(static_cast<Index>(value));
      return true;
    }
    expect(place_ == Place::offsets && offsets_.size() < 2, "a number stands where none is expected");
    offsets_.push_back(value);
    return true;
  }

  bool end_array() override {
    if (place_ == Place::shape) {
      shape_seen_ = true;
    } else {
      expect(offsets_.size() == 2, "\"data_offsets\" are two numbers");
    }
    place_ = Place::tensor;
    return true;
  }

  bool end_object() override {
    if (place_ == Place::tensor) {
      expect(type_ && shape_seen_ && offsets_.size() == 2, "\"dtype\", \"shape\" and \"data_offsets\" are expected");
      tensor_.type = *type_;
      tensor_.begin = offsets_[0];
      tensor_.end = offsets_[1];
      header_.tensors.push_back(std::move(tensor_));
    }
    place_ = place_ == Place::root ? Place::outside : Place::root;
    return true;
  }

  bool null() override { return reject("null stands where no such value is expected"); }
  bool boolean(bool) override { return reject("a boolean stands where none is expected"); }
  bool number_integer(std::int64_t) override { return reject("a number is negative"); }
  bool number_float(double, const std::string&) override {
    return reject("a number is not an integer, or is too large");
  }
  bool binary(JsonText::binary_t&) override { return reject("binary data"); }

  bool parse_error(std::size_t position, const std::string&, const JsonText::exception&) override {
    fail(ExitCode::bad_input, "{}: byte {} of the header: not valid JSON in UTF-8", source_, position);
  }

 private:
  enum class Place { outside, root, metadata, tensor, shape, offsets };

  void expect(bool condition, std::string_view problem) const {
    if (!condition) reject(problem);
  }
  [[noreturn]] bool reject(std::string_view problem) const {
    fail(ExitCode::bad_input, "{}: header: '{}': {}", source_, key_, problem);
  }

  std::string_view source_;
  SafetensorsHeader header_;
  Place place_ = Place::outside;
  std::string key_, inner_key_;  // of the root, and of the object within it
  bool metadata_seen_ = false;
  TensorInfo tensor_;  // being read
  std::optional<DataType> type_;
  bool shape_seen_ = false;
  std::vector<std::uint64_t> offsets_;
};

void check_names(const std::vector<TensorInfo>& tensors, std::string_view source) {
  std::vector<std::string_view> names;
  names.reserve(tensors.size());
  for (const TensorInfo& tensor : tensors) names.push_back(tensor.name);
  std::ranges::sort(names);
  const auto twice = std::ranges::adjacent_find(names);
  if (twice != names.end()) fail(ExitCode::bad_input, "{}: header: '{}': the tensor is given twice", source, *twice);
}

/// Returns whether the tensor's shape and type give its bytes; computed without overflow.
bool fills_its_bytes(const TensorInfo& tensor) {
  std::uint64_t bytes = size_of(tensor.type);
  for (const Index dimension : tensor.shape) {
    if (__builtin_mul_overflow(bytes, static_cast<std::uint64_t>(dimension), &bytes)) return false;
  }
  return bytes == tensor.end - tensor.begin;
}

/// Checks that the tensors, sorted by offset, cover the data from the first byte to the last.
void check_layout(const std::vector<TensorInfo>& tensors, std::uint64_t data_size, std::string_view source) {
  std::uint64_t previous_end = 0;
  for (const TensorInfo& t : tensors) {
    check_input(t.begin == previous_end && t.end >= t.begin,
                "{}: header: '{}': its data are at [{}, {}), where they should start at {}: a hole or an overlap",
                source, t.name, t.begin, t.end, previous_end);
    check_input(fills_its_bytes(t), "{}: header: '{}': {} {} does not come to its {} bytes", source, t.name,
                name_of(t.type), shape_text(t.shape), t.end - t.begin);
    previous_end = t.end;
  }
  check_input(previous_end == data_size, "{}: the header declares {} bytes of data, the file has {}; was it cut short?",
              source, previous_end, data_size);
}

}  // namespace

std::string_view name_of(DataType type) { return kDataTypes[static_cast<std::size_t>(type)].name; }
std::uint64_t size_of(DataType type) { return kDataTypes[static_cast<std::size_t>(type)].size; }

std::string shape_text(std::span<const Index> shape) { return fmt::format("[{}]", fmt::join(shape, ", ")); }

SafetensorsHeader parse_safetensors_header(std::string_view json, std::uint64_t data_size, std::string_view source) {
  // The parser treats a NUL as the end of the text.
  check_input(json.find('\0') == std::string_view::npos, "{}: byte {} of the header is a NUL: not valid JSON", source,
              json.find('\0'));
  HeaderListener listener(source);
  JsonText::sax_parse(json, &listener);
  SafetensorsHeader header = listener.take();
  check_names(header.tensors, source);
  std::ranges::sort(header.tensors, [](const TensorInfo& a, const TensorInfo& b) {
    return std::tie(a.begin, a.end) < std::tie(b.begin, b.end);
  });
  check_layout(header.tensors, data_size, source);
  return header;
}

std::string format_safetensors_header(std::span<const TensorInfo> tensors,
                                      const std::map<std::string, std::string>& metadata) {
  constexpr std::size_t kAlignment = 8;
  std::string text = fmt::format("{{{}:{}", JsonText(kMetadata).dump(), JsonText(metadata).dump());
  for (const TensorInfo& t : tensors) {
    text += fmt::format(R"(,{}:{{"dtype":"{}","shape":[{}],"data_offsets":[{},{}]}})", JsonText(t.name).dump(),
                        name_of(t.type), fmt::join(t.shape, ","), t.begin, t.end);
  }
  text += '}';
  text.resize((text.size() + kAlignment - 1) / kAlignment * kAlignment, ' ');
  return text;
}

}  // namespace kiln
