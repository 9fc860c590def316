// GGUF files read back from their first byte to their last, as ggml documents them: a reader of the tests' own.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <map>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace kiln::testing {

struct GgufTensor {
  std::vector<std::uint64_t> sizes;  // the fastest first
  std::uint32_t type;
  std::string bytes;
};

/// What a file holds; keys as text, arrays with a | between their elements, and arrays of strings as such too.
struct GgufContents {
  std::map<std::string, std::string> keys;
  std::map<std::string, std::vector<std::string>> strings;
  std::map<std::string, GgufTensor> tensors;
};

class GgufReader {
 public:
  explicit GgufReader(std::string bytes) : bytes_(std::move(bytes)) {}

  /// Throws std::runtime_error where the file is not what it has to be.
  GgufContents read() {
    expect(take(4) == "GGUF" && number<std::uint32_t>() == 3, "the magic and version 3");
    const auto tensors = number<std::uint64_t>(), keys = number<std::uint64_t>();
    for (std::uint64_t i = 0; i < keys; ++i) {
      const std::string name = string();
      std::vector<std::string> strings;
      expect(contents_.keys.emplace(name, value(number<std::uint32_t>(), strings)).second, "keys given once: " + name);
      if (!strings.empty()) contents_.strings.emplace(name, std::move(strings));
    }
    std::vector<std::pair<std::string, std::uint64_t>> places;
    for (std::uint64_t i = 0; i < tensors; ++i) {
      const std::string name = string();
      expect(name.size() < 64, "a shorter name: " + name);
      GgufTensor tensor{{}, 0, {}};
      for (auto sizes = number<std::uint32_t>(); sizes > 0; --sizes) tensor.sizes.push_back(number<std::uint64_t>());
      tensor.type = number<std::uint32_t>();
      places.emplace_back(name, number<std::uint64_t>());
      expect(contents_.tensors.emplace(name, std::move(tensor)).second, "tensors given once: " + name);
    }
    align();
    const std::size_t begin = at_;
    for (const auto& [name, offset] : places) {
      expect(offset == at_ - begin, "tensors one after another: " + name);
      GgufTensor& tensor = contents_.tensors.at(name);
      std::uint64_t bytes = tensor.type == 0 ? 4 : 2;
      for (const std::uint64_t size : tensor.sizes) bytes *= size;
      tensor.bytes = take(bytes);
      align();
    }
    expect(at_ == bytes_.size(), "the file's end");
    return std::move(contents_);
  }

 private:
  void expect(bool condition, const std::string& what) const {
    if (!condition) throw std::runtime_error(fmt::format("byte {} of a GGUF file: expected {}", at_, what));
  }

  std::string take(std::uint64_t count) {
    expect(count <= bytes_.size() - at_, "more bytes");
    at_ += count;
    return bytes_.substr(at_ - count, count);
  }

  void align() {
    for (const char byte : take((32 - at_ % 32) % 32)) expect(byte == 0, "zeros to fill up");
  }

  template <class T>
  T number() {
    T value;
    std::memcpy(&value, take(sizeof value).data(), sizeof value);
    return value;
  }

  std::string string() { return take(number<std::uint64_t>()); }

  std::string value(std::uint32_t type, std::vector<std::string>& strings) {
    switch (type) {
      case 4:
        return fmt::format("{}", number<std::uint32_t>());
      case 5:
        return fmt::format("{}", number<std::int32_t>());
      case 6:
        return fmt::format("{}", number<float>());
      case 7:
        return number<std::uint8_t>() != 0 ? "true" : "false";
      case 8:
        return string();
      case 9: {
        const auto element = number<std::uint32_t>();
        std::string text;
        for (auto count = number<std::uint64_t>(); count > 0; --count) {
          const std::string one = value(element, strings);
          if (element == 8) strings.push_back(one);
          text.append("|").append(one);
        }
        return text;
      }
      default:
        throw std::runtime_error(fmt::format("a value of type {}", type));
    }
  }

  std::string bytes_;
  std::size_t at_ = 0;
  GgufContents contents_;
};

}  // namespace kiln::testing
