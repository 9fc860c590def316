// llm.c's model files against bytes put together here, element by element, from the layout that llm.c documents.
#include "kiln/interop/llmc.h"

#include "kiln/core/file.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "support/error_parts.h"
#include "support/scratch.h"
#include "support/small_models.h"
#include <cstring>
#include <utility>

namespace kiln {
namespace {

using testing::expect_error_with;
using testing::expect_same;
using testing::kSmallVocabulary;
using testing::Scratch;
using testing::small_gpt2;
using testing::SmallModel;

constexpr Index kPaddedV = 128;

/// The bytes of a file, as llm.c's train_gpt2.py writes them.
class FileBytes {
 public:
  FileBytes(const SmallModel& small, std::int32_t version) : small_(small), version_(version) {
    const ModelConfig& m = small.config();
    const std::vector<Index> numbers{20240326,   version,   m.n_ctx,   kSmallVocabulary,
                                     m.n_layers, m.n_heads, m.d_model, kPaddedV};
    for (std::size_t i = 0; i < 256; ++i) put(static_cast<std::int32_t>(i < numbers.size() ? numbers[i] : 0));
    add("wte.weight");
    for (Index i = 0; i < (kPaddedV - kSmallVocabulary) * m.d_model; ++i) put_element(0);
    add("wpe.weight");
    for (const char* name : {"ln_1.weight", "ln_1.bias"}) add_layers(name);
    add_layers("attn.c_attn.weight", true);
    add_layers("attn.c_attn.bias");
    add_layers("attn.c_proj.weight", true);
    for (const char* name : {"attn.c_proj.bias", "ln_2.weight", "ln_2.bias"}) add_layers(name);
    add_layers("mlp.c_fc.weight", true);
    add_layers("mlp.c_fc.bias");
    add_layers("mlp.c_proj.weight", true);
    add_layers("mlp.c_proj.bias");
    add("ln_f.weight");
    add("ln_f.bias");
  }

  const std::string& text() const { return bytes_; }

 private:
  template <class T>
  void put(T value) {
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof value);
  }

  void put_element(float value) { version_ == 3 ? put(value) : put(static_cast<bfloat16>(value)); }

  /// A tensor; a matrix that is stored [in, out] goes out as [out, in].
  void add(const std::string& name, bool turned = false) {
    const ConstMat<float> values = small_[name];
    for (Index i = 0; i < (turned ? values.cols() : values.rows()); ++i) {
      for (Index j = 0; j < (turned ? values.rows() : values.cols()); ++j)
        put_element(turned ? values(j, i) : values(i, j));
    }
  }

  void add_layers(const std::string& name, bool turned = false) {
    for (Index layer = 0; layer < small_.config().n_layers; ++layer) add(fmt::format("h.{}.{}", layer, name), turned);
  }

  const SmallModel& small_;
  std::int32_t version_;
  std::string bytes_;
};

/// The same file with another number in its header.
std::string with_header(std::string bytes, std::size_t field, std::int32_t value) {
  std::memcpy(bytes.data() + 4 * field, &value, sizeof value);
  return bytes;
}

TEST(Llmc, ReadsEveryTensorAtItsPlace) {
  const Scratch scratch;
  const SmallModel small(small_gpt2());
  const LlmcModel read = read_llmc_model(scratch.write("model.bin", FileBytes(small, 3).text()));
  EXPECT_EQ(read.model->vocab_size(), kSmallVocabulary);
  EXPECT_EQ(to_json(read.model->config()), to_json(small.config()));
  expect_same(*read.weights, small.weights);
}

TEST(Llmc, ReadsBfloat16) {
  const Scratch scratch;
  const SmallModel small(small_gpt2());
  const LlmcModel read = read_llmc_model(scratch.write("model.bin", FileBytes(small, 5).text()));
  for (Index i = 0; i < read.weights->all().size(); ++i) {
    EXPECT_EQ(read.weights->all()[i], static_cast<float>(static_cast<bfloat16>(small.weights.all()[i])));
  }
}

TEST(Llmc, WritesWhatLlmcDocumentsByteForByte) {
  const Scratch scratch;
  const SmallModel small(small_gpt2());
  for (const auto& [type, version] : {std::pair(DataType::f32, 3), std::pair(DataType::bf16, 5)}) {
    const FileDigest digest =
        write_llmc_model(scratch.path("model.bin"), small.config(), kSmallVocabulary, small.weights, type);
    EXPECT_TRUE(read_file(scratch.path("model.bin")) == FileBytes(small, version).text()) << version;
    EXPECT_EQ(digest.hash, hash_file(scratch.path("model.bin")));
  }
}

TEST(Llmc, BiasesThatTheModelLacksAreZeros) {
  const Scratch scratch;
  ModelConfig config = small_gpt2();
  config.bias = false;
  const SmallModel small(config);
  write_llmc_model(scratch.path("model.bin"), config, kSmallVocabulary, small.weights);
  const LlmcModel read = read_llmc_model(scratch.path("model.bin"));
  for (const Parameter& parameter : read.model->layout.parameters()) {
    const ConstMat<float> found = std::as_const(*read.weights).mat(read.model->layout.find(parameter.name));
    if (parameter.role == Role::bias) {
      EXPECT_TRUE(found.isZero(0)) << parameter.name;
    } else {
      EXPECT_TRUE(found == small[parameter.name]) << parameter.name;
    }
  }
}

TEST(Llmc, RefusesWhatIsNoModelFileOrIsNotAsLongAsItSays) {
  const Scratch scratch;
  const SmallModel small(small_gpt2());
  const std::string good = FileBytes(small, 3).text();
  const auto expect_refused = [&](const std::string& bytes, std::initializer_list<std::string_view> parts) {
    const std::string path = scratch.write("model.bin", bytes);
    expect_error_with(ExitCode::bad_input, parts, [&] { read_llmc_model(path); });
  };
  expect_refused("", {"model.bin: 0 bytes; the header of llm.c's model files alone takes 1,024"});
  expect_refused(good.substr(0, 1000), {"model.bin: 1,000 bytes"});
  expect_refused(with_header(good, 0, 20240520), {"begins with 20240520; llm.c's model files begin with 20240326"});
  expect_refused(with_header(good, 1, 2), {"of version 2; versions 3 (float32) and 5 (bfloat16) are read"});
  expect_refused(good.substr(0, good.size() - 1), {"elements of 4 bytes", "was it cut short?"});
  expect_refused(good + "x", {"bytes follow it"});
  expect_refused(with_header(good, 1, 5), {"elements of 2 bytes"});
  expect_refused(with_header(good, 7, 10),
                 {"header[7], the rows of the embedding, is 10, less than the vocabulary's 11"});
  expect_refused(with_header(good, 5, 3),
                 {"model.bin: header[5], the number of heads: d_model = 8 is not a multiple of n_heads = 3"});
  for (const std::size_t field : {2u, 3u, 4u, 5u, 6u}) {
    for (const std::int32_t value : {0, -1}) {
      expect_refused(with_header(good, field, value),
                     {fmt::format("header[{}]", field), fmt::format("is {}; at least 1 is expected", value)});
    }
  }
}

/// Sizes whose product overflows, or would take all memory, end before memory is taken.
TEST(Llmc, SizesBeyondTheFileTakeNoMemory) {
  const Scratch scratch;
  const std::string good = FileBytes(SmallModel(small_gpt2()), 3).text();
  constexpr std::int32_t kHuge = std::numeric_limits<std::int32_t>::max();
  for (const std::size_t field : {2u, 4u, 7u}) {
    const std::string path = scratch.write("model.bin", with_header(good, field, kHuge));
    expect_error_with(ExitCode::bad_input, {"model.bin: "}, [&] { read_llmc_model(path); });
  }
  std::string all = good;
  for (const std::size_t field : {2u, 3u, 4u, 6u, 7u}) all = with_header(all, field, kHuge);
  expect_error_with(ExitCode::bad_input, {"model.bin: "}, [&] { read_llmc_model(scratch.write("model.bin", all)); });
}

}  // namespace
}  // namespace kiln
