// Round trips by value and type, the writer's bytes, and files that are not what they claim to be.
#include "kiln/tensor/safetensors.h"

#include "kiln/core/error.h"
#include "kiln/core/file.h"

#include <gtest/gtest.h>

#include "support/error_parts.h"
#include "support/scratch.h"
#include <cmath>
#include <cstring>
#include <limits>
#include <sys/resource.h>

namespace kiln {
namespace {

using testing::expect_error;
using testing::expect_error_with;
using testing::Scratch;

std::string little_endian(std::uint64_t value) {
  return std::string(reinterpret_cast<const char*>(&value), sizeof(value));
}

/// A file of this header and so many bytes of data.
std::string file_bytes(const std::string& header, std::size_t data_size = 0) {
  return little_endian(header.size()) + header + std::string(data_size, '\0');
}

template <class T>
std::string bytes_of(const std::vector<T>& values) {
  return std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
}

RowMajor<float> counting(Index rows, Index cols) {
  RowMajor<float> m(rows, cols);
  for (Index i = 0; i < m.size(); ++i) m.data()[i] = static_cast<float>(i + 1);
  return m;
}

ConstMat<float> view(const RowMajor<float>& m) { return mat(m.data(), m.rows(), m.cols()); }

TEST(Safetensors, WritesTheBytesOfTheReferenceLibrary) {
  const Scratch scratch;
  const RowMajor<float> values = counting(1, 2);
  const TensorSource sources[] = {
      {"b", {2}, view(values)}, {"h", {2}, view(values), false, DataType::bf16}, {"a", {1, 2}, view(values)}};
  const FileDigest digest = write_safetensors(scratch.path("m"), sources);
  const std::string header =
      R"({"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]},)"
      R"("b":{"dtype":"F32","shape":[2],"data_offsets":[8,16]},"h":{"dtype":"BF16","shape":[2],"data_offsets":[16,20]}})";
  const std::string padded = header + std::string((8 - header.size() % 8) % 8, ' ');
  const std::string floats = bytes_of<float>({1, 2});
  const std::string expected =
      little_endian(padded.size()) + padded + floats + floats + std::string("\x80\x3f\x00\x40", 4);
  EXPECT_EQ(read_file(scratch.path("m")), expected);
  EXPECT_EQ(digest, (FileDigest{expected.size(), hash_bytes(expected)}));
}

TEST(Safetensors, RoundTripsSlicesAndTransposes) {
  const Scratch scratch;
  const RowMajor<float> values = counting(300, 700);  // more than one piece
  const ConstMat<float> slice = columns(view(values), 100, 500);
  const TensorSource sources[] = {{"slice", {300, 500}, slice}, {"turned", {500, 300}, slice, true}};
  write_safetensors(scratch.path("m"), sources);
  const SafetensorsFile file(scratch.path("m"));
  EXPECT_EQ(file.metadata().at("format"), "pt");

  RowMajor<float> whole = RowMajor<float>::Zero(300, 700);
  Mat<float> into = columns(mat(whole.data(), 300, 700), 100, 500);
  file.read<float>(*file.find("slice"), into);
  EXPECT_TRUE(into == slice);
  EXPECT_TRUE((whole.leftCols(100).array() == 0).all() && (whole.rightCols(100).array() == 0).all());
  into.setZero();
  file.read<float>(*file.find("turned"), into, true);
  EXPECT_TRUE(into == slice);
  EXPECT_EQ(file.read<float>("turned")[1], slice(1, 0));
}

TEST(Safetensors, ConvertsEveryFloatTypeToEvery) {
  const Scratch scratch;
  const float infinity = std::numeric_limits<float>::infinity();
  RowMajor<float> values(1, 5);
  values << 1.5F, -0.25F, 0.0F, infinity, 1024.0F;
  std::vector<TensorSource> sources;
  for (const DataType type : {DataType::f16, DataType::bf16, DataType::f32, DataType::f64}) {
    sources.push_back({std::string(name_of(type)), {5}, view(values), false, type});
  }
  write_safetensors(scratch.path("m"), sources);
  const SafetensorsFile file(scratch.path("m"));
  EXPECT_EQ(file.tensors().front().name, "F64");  // the highest rank first
  for (const TensorSource& source : sources) {
    const std::vector<float> floats = file.read<float>(source.name);
    const std::vector<double> doubles = file.read<double>(source.name);
    const std::vector<bfloat16> halves = file.read<bfloat16>(source.name);
    for (std::size_t i = 0; i < 5; ++i) {
      EXPECT_EQ(floats[i], values(0, static_cast<Index>(i))) << source.name;
      EXPECT_EQ(doubles[i], floats[i]);
      EXPECT_EQ(static_cast<float>(halves[i]), floats[i]);
    }
  }
}

TEST(Safetensors, ReadsIntegersAndKeepsKindsApart) {
  const Scratch scratch;
  const std::string header = R"({"i":{"dtype":"I32","shape":[2],"data_offsets":[0,8]},)"
                             R"("u":{"dtype":"U8","shape":[1],"data_offsets":[8,9]}})";
  const std::string path =
      scratch.write("m", little_endian(header.size()) + header + bytes_of<std::int32_t>({-3, 70000}) + "\xff");
  const SafetensorsFile file(path);
  EXPECT_EQ(file.read<Index>("i"), (std::vector<Index>{-3, 70000}));
  EXPECT_EQ(file.read<Index>("u"), (std::vector<Index>{255}));
  expect_error(ExitCode::bad_input, path + ": tensor 'i' is of type I32; F32, F16, BF16 or F64 are expected",
               [&] { file.read<float>("i"); });
  expect_error(ExitCode::bad_input, path + ": there is no tensor 'x'", [&] { file.read<float>("x"); });
}

TEST(Safetensors, ReadsWhatIsLegalIfOdd) {
  const Scratch scratch;
  // rank 0, a zero dimension, an unsorted header, a NaN payload, no metadata, spaces behind
  const std::string header = R"({"z":{"dtype":"F32","shape":[3,0],"data_offsets":[4,4]},)"
                             R"("s":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}   )";
  const std::string path = scratch.write("m", little_endian(header.size()) + header + "\x01\x02\xff\xff");
  const SafetensorsFile file(path);
  EXPECT_TRUE(file.find("z")->elements() == 0 && file.read<float>("z").empty());
  EXPECT_TRUE(std::isnan(file.read<float>("s")[0]));
  EXPECT_TRUE(file.find("s")->shape.empty());
  EXPECT_EQ(SafetensorsFile(scratch.write("empty", file_bytes("{}"))).tensors().size(), 0u);
}

TEST(Safetensors, ReadsTheReferenceFixture) {
  const SafetensorsFile file(KILN_SOURCE_DIR "/tests/reference/fixtures/gpt2.safetensors");
  EXPECT_EQ(file.find("wte.weight")->shape, (std::vector<Index>{29, 16}));
  for (const Index id : file.read<Index>("input_ids")) EXPECT_TRUE(id >= 0 && id < 29);
}

struct BadFile {
  const char* name;
  std::string bytes;
  std::string problem;
};

void PrintTo(const BadFile& file, std::ostream* out) { *out << file.name; }

std::string one_tensor(const std::string& entry) { return "{\"x\":" + entry + "}"; }

std::vector<BadFile> bad_files() {
  const std::string good = R"({"dtype":"F32","shape":[1],"data_offsets":[0,4]})";
  auto two = [](const std::string& a, const std::string& b) {
    return R"({"a":{"dtype":"U8","shape":[4],"data_offsets":)" + a +
           R"(},"b":{"dtype":"U8","shape":[4],"data_offsets":)" + b + "}}";
  };
  return {
      {"Empty", "", "holds 0 bytes, too few"},
      {"SevenBytes", "1234567", "holds 7 bytes, too few"},
      {"HugeHeader", little_endian(std::uint64_t{1} << 63) + "{}",
       "its header would be 9223372036854775808 bytes long"},
      {"LargestHeader", little_endian(~std::uint64_t{0}) + "{}", "its header would be 18446744073709551615"},
      {"HeaderBeyondFile", little_endian(100) + "{}", "the header is 100 bytes long, the file 10; was it cut short?"},
      {"NoJson", file_bytes("{\"x\""), "not valid JSON"},
      {"EmptyHeader", file_bytes(""), "not valid JSON"},
      {"NotUtf8", file_bytes("{\"\xff\":1}"), "not valid JSON in UTF-8"},
      {"Array", file_bytes("[]"), "an array stands where none is expected"},
      {"Null", file_bytes("null"), "null stands"},
      {"NulBehind", file_bytes(std::string("{}\0", 3)), "not valid JSON"},
      {"Hole", file_bytes(two("[0,4]", "[5,9]"), 9), "'b': its data are at [5, 9), where they should start at 4"},
      {"HoleAtTheStart", file_bytes(two("[1,5]", "[5,9]"), 9), "'a': its data are at [1, 5), where"},
      {"Overlap", file_bytes(two("[0,4]", "[3,7]"), 7), "'b': its data are at [3, 7), where"},
      {"SameData", file_bytes(two("[0,4]", "[0,4]"), 4), "a hole or an overlap"},
      {"EndBeforeBegin", file_bytes(two("[0,4]", "[4,0]"), 4), "a hole or an overlap"},
      {"CutShort", file_bytes(one_tensor(good), 3), "the header declares 4 bytes of data, the file has 3"},
      {"BytesBehind", file_bytes(one_tensor(good), 5), "the header declares 4 bytes of data, the file has 5"},
      {"WrongSize", file_bytes(one_tensor(R"({"dtype":"F32","shape":[2],"data_offsets":[0,4]})"), 4),
       "'x': F32 [2] does not come to its 4 bytes"},
      {"ShapeOverflows",
       file_bytes(one_tensor(R"({"dtype":"F32","shape":[4294967296,4294967296,2],"data_offsets":[0,0]})")),
       "does not come to its 0 bytes"},
      {"HugeDimension", file_bytes(one_tensor(R"({"dtype":"U8","shape":[18446744073709551615],"data_offsets":[0,0]})")),
       "its shape overflows"},
      {"BeyondSixtyFourBits",
       file_bytes(one_tensor(R"({"dtype":"U8","shape":[99999999999999999999],"data_offsets":[0,0]})")), "too large"},
      {"NegativeDimension", file_bytes(one_tensor(R"({"dtype":"U8","shape":[-1],"data_offsets":[0,0]})")), "negative"},
      {"FractionalDimension", file_bytes(one_tensor(R"({"dtype":"U8","shape":[1.0],"data_offsets":[0,1]})"), 1),
       "not an integer"},
      {"UnknownType", file_bytes(one_tensor(R"({"dtype":"F31","shape":[1],"data_offsets":[0,4]})"), 4), "its dtype"},
      {"NoType", file_bytes(one_tensor(R"({"shape":[1],"data_offsets":[0,4]})"), 4), "are expected"},
      {"NoShape", file_bytes(one_tensor(R"({"dtype":"U8","data_offsets":[0,4]})"), 4), "are expected"},
      {"NoOffsets", file_bytes(one_tensor(R"({"dtype":"U8","shape":[1]})"), 4), "are expected"},
      {"OneOffset", file_bytes(one_tensor(R"({"dtype":"U8","shape":[1],"data_offsets":[0]})"), 4), "two numbers"},
      {"ThreeOffsets", file_bytes(one_tensor(R"({"dtype":"U8","shape":[1],"data_offsets":[0,1,2]})"), 4), "a number"},
      {"ShapeTwice", file_bytes(one_tensor(R"({"dtype":"U8","shape":[1],"shape":[1],"data_offsets":[0,1]})"), 1),
       "twice"},
      {"UnknownKey", file_bytes(one_tensor(R"({"dtype":"U8","shape":[1],"data_offsets":[0,1],"y":{}})"), 1),
       "an object"},
      {"NumberForTensor", file_bytes("{\"x\":1}"), "'x': a number stands where none is expected"},
      {"NameTwice", file_bytes("{\"x\":" + good + ",\"x\":" + good + "}", 4), "'x': the tensor is given twice"},
      {"MetadataTwice", file_bytes(R"({"__metadata__":{},"__metadata__":{}})"), "the key is given twice"},
      {"MetadataOfNumbers", file_bytes(R"({"__metadata__":{"a":1}})"), "a number stands"},
      {"NestedArrays", file_bytes("{\"x\":{\"shape\":" + std::string(100'000, '[')), "an array stands"},
      {"RankTooHigh", file_bytes("{\"x\":{\"shape\":[1" + std::string(100'000, ',')), "header"},
  };
}

class BadSafetensors : public ::testing::TestWithParam<BadFile> {};

TEST_P(BadSafetensors, IsAnErrorThatNamesFileAndPlace) {
  const Scratch scratch;
  const std::string path = scratch.write("bad.safetensors", GetParam().bytes);
  expect_error_with(ExitCode::bad_input, {path + ": ", GetParam().problem}, [&] { SafetensorsFile file(path); });
}

INSTANTIATE_TEST_SUITE_P(All, BadSafetensors, ::testing::ValuesIn(bad_files()),
                         [](const auto& entry) { return std::string(entry.param.name); });

/// Bad headers are refused within 50 MB.
TEST(Safetensors, BadHeadersTakeLittleMemory) {
  const Scratch scratch;
  auto peak_kilobytes = [] {
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
  };
  const long before = peak_kilobytes();
  std::vector<std::string> paths;
  for (const BadFile& bad : bad_files()) paths.push_back(scratch.write(bad.name, bad.bytes));
  for (const std::string& path : paths) EXPECT_THROW(SafetensorsFile{path}, Error);
  EXPECT_LT(peak_kilobytes() - before, 50'000);
}

TEST(Safetensors, ManyTensorsAreReadInLinearTime) {
  const Scratch scratch;
  std::string header = "{";
  for (int i = 0; i < 200'000; ++i) {
    header += fmt::format(R"({}"{}":{{"dtype":"U8","shape":[0],"data_offsets":[0,0]}})", i == 0 ? "" : ",", i);
  }
  EXPECT_EQ(SafetensorsFile(scratch.write("m", file_bytes(header + "}"))).tensors().size(), 200'000u);
}

/// A file that shrinks while it is open is an error, not a SIGBUS.
TEST(Safetensors, AFileCutShortWhileItIsReadIsAnError) {
  const Scratch scratch;
  const RowMajor<float> values = counting(100, 100);
  const TensorSource sources[] = {{"x", {100, 100}, view(values)}};
  write_safetensors(scratch.path("m"), sources);
  const SafetensorsFile file(scratch.path("m"));
  std::filesystem::resize_file(scratch.path("m"), 1000);
  expect_error_with(ExitCode::bad_input, {"was it cut short?"}, [&] { file.read<float>("x"); });
}

TEST(Safetensors, AWriteThatFailsIsAnErrorOfInputAndOutput) {
  const RowMajor<float> values = counting(1, 4);
  const TensorSource sources[] = {{"x", {4}, view(values)}};
  expect_error_with(ExitCode::io, {"/dev/full", "No space left"}, [&] { write_safetensors("/dev/full", sources); });
}

}  // namespace
}  // namespace kiln
