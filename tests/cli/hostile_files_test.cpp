// Files that lie: small ones that claim to be huge, wrong types, bytes that are no text. Each is an exit code and a
// message, in little time and memory.
#include "kiln/core/file.h"
#include "kiln/run/manifest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/small_run.h"
#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

namespace kiln {
namespace {

namespace fs = std::filesystem;

using ::testing::AnyOf;
using ::testing::HasSubstr;
using testing::kiln;
using testing::Outcome;
using testing::run_kiln;
using testing::Scratch;
using testing::SmallRun;

constexpr std::uint64_t kLittleMemory =
    (100u << 20) + testing::kSanitizerBytes;  // bytes; the program alone takes 20 MB

/// Runs a command and expects it to refuse a file in no time.
void expect_refused(const std::vector<std::string>& command, const std::string& file, const std::string& what) {
  const auto begin = std::chrono::steady_clock::now();
  const Outcome outcome = testing::run(command);
  EXPECT_EQ(outcome.code, 3) << what << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr(file)) << what;
  EXPECT_LT(outcome.peak_bytes, kLittleMemory) << what;
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(20)) << what;
}

std::string padded(std::string text, char with = ' ') {
  text.resize(43, with);
  return text;
}

/// What a reader may stumble over, in 43 bytes: numbers that claim the world, depth, bytes that are no UTF-8, nothing.
std::vector<std::string> small_files() {
  using namespace std::string_literals;
  return {std::string(43, '\0'),
          std::string(43, '\xff'),
          std::string(43, '['),
          std::string(43, '{'),
          padded("\xff\xff\xff\xff\xff\xff\xff\x7f{}"),
          padded("\x23\0\0\0\0\0\0\0{}"s),
          padded("{\"vocab_size\": 9223372036854775807}"),
          padded("{\"format_version\": 1, \"files\": []}"),
          padded("{\"a\": 1e400}"),
          padded("{\"\xc3\x28\": \"\xed\xa0\x80\"}"),
          padded("[[[[[[[[[[1,-1,1.5,null,true,\"\"]]]]]]]]]]")};
}

TEST(HostileFiles, AnyFileOfACheckpointMayBeAnything) {
  const SmallRun run;
  ASSERT_EQ(run.train({"--set", "train.steps=2", "--set", "train.checkpoint_every=0"}).code, 0);
  const fs::path folder = run.folder + "/checkpoints/step-00000002";
  fs::remove_all(run.folder + "/checkpoints/step-00000000");  // nothing to fall back to
  const Manifest manifest = read_manifest(folder);
  const std::vector<std::string> resume = run.training({"--resume", "--set", "train.steps=3"});
  for (const char* file :
       {"kiln.json", "model.safetensors", "optimizer.safetensors", "trainer.json", "tokenizer.json"}) {
    const std::string good = read_file(folder / file);
    for (const std::string& bad : small_files()) {
      Manifest lying = manifest;  // so that it is the reader that meets the bytes
      lying.files[file] = {bad.size(), hash_bytes(bad)};
      write_file_synced(folder / file, bad);
      write_file_synced(folder / kManifestFile, format_manifest(lying));
      expect_refused(resume, file, file + (": " + bad));
    }
    write_file_synced(folder / file, good);
  }
  for (const std::string& bad : small_files()) {
    write_file_synced(folder / kManifestFile, bad);
    expect_refused(resume, "manifest.json", bad);
  }
}

class HostileModel : public ::testing::Test {
 protected:
  /// A Hugging Face folder with this config.json and weights of one small tensor.
  std::string model(const std::string& config) const {
    const std::string header = R"({"wte.weight":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})";
    std::string weights(8, '\0');
    weights[0] = static_cast<char>(header.size());
    scratch_.write("model/model.safetensors", weights + header + "abcd");
    scratch_.write("model/config.json", config);
    scratch_.write("model/tokenizer.json", read_file(KILN_SOURCE_DIR "/tests/text/fixtures/byte_tokenizer.json"));
    return scratch_.path("model").string();
  }

  Scratch scratch_;
};

TEST_F(HostileModel, SizesThatAConfigClaimsAreNotAllocated) {
  for (const char* sizes :
       {R"("n_layer": 100000, "n_embd": 64, "n_head": 4, "n_positions": 64, "vocab_size": 257)",
        R"("n_layer": 1, "n_embd": 2147483648, "n_head": 4, "n_positions": 64, "vocab_size": 257)",
        R"("n_layer": 1, "n_embd": 64, "n_head": 4, "n_positions": 2147483648, "vocab_size": 2147483647)",
        R"("n_layer": 9223372036854775807, "n_embd": 9223372036854775807, "n_head": 1, "n_positions": 1,
           "vocab_size": 1)",
        R"("n_layer": -1, "n_embd": 64, "n_head": 4, "n_positions": 64, "vocab_size": 257)",
        R"("n_layer": 1.5, "n_embd": "64", "n_head": [4], "n_positions": {}, "vocab_size": true)"}) {
    expect_refused(kiln({"sample", model(std::string(R"({"model_type": "gpt2", )") + sizes + "}")}), "model", sizes);
  }
}

TEST_F(HostileModel, SmallFilesInThePlaceOfAConfigOrATokenizer) {
  const std::string config =
      R"({"model_type": "gpt2", "n_layer": 1, "n_embd": 64, "n_head": 4, "n_positions": 64, "vocab_size": 257})";
  for (const std::string& bad : small_files()) {
    expect_refused(kiln({"sample", model(bad)}), "config.json", bad);
    const std::string folder = model(config);
    scratch_.write("model/tokenizer.json", bad);
    expect_refused(kiln({"sample", folder}), "tokenizer.json", bad);
    scratch_.write("model/model.safetensors", bad);
    expect_refused(kiln({"sample", folder}), "model.safetensors", bad);
  }
}

TEST(HostileFiles, ElementsOfAnotherTypeInATokenizersArrays) {
  const Scratch scratch;
  const auto good = nlohmann::json::parse(read_file(KILN_SOURCE_DIR "/tests/text/fixtures/bpe_tokenizer.json"));
  const auto refuse = [&](const char* pointer, const nlohmann::json& value) {
    nlohmann::json bad = good;
    bad[nlohmann::json::json_pointer(pointer)] = value;
    const std::string path = scratch.write("tokenizer.json", bad.dump());
    expect_refused(kiln({"tokenizer", "info", "--tokenizer", path}), "tokenizer.json", pointer + value.dump());
  };
  for (const nlohmann::json& value : {nlohmann::json(7), nlohmann::json(), nlohmann::json::array({1, 2}),
                                      nlohmann::json::array({"a", "b", "c"}), nlohmann::json::object()}) {
    refuse("/model/merges/0", value);
    refuse("/added_tokens/0", value);
  }
  refuse("/model/merges", 5);
  refuse("/model/vocab", nlohmann::json::array());
  refuse("/added_tokens/0/id", "5");
  refuse("/added_tokens/0/id", -5);
  refuse("/added_tokens/0/content", 5);
}

TEST(HostileFiles, SmallFilesInThePlaceOfTextAndTokens) {
  const SmallRun run;
  for (const char* name : {"small.bin", "small.jsonl", "small.txt"}) {
    for (const std::string& bad : small_files()) {
      const std::string data = "data.train=[\"" + run.scratch.write(name, bad) + "\"]";
      const Outcome outcome = run.train({"--set", data, "--set", "data.validation_fraction=0.9"});
      EXPECT_THAT(outcome.code, AnyOf(2, 3)) << name << outcome.err;  // 2: too few tokens
      EXPECT_LT(outcome.peak_bytes, kLittleMemory) << name;
    }
  }
}

/// A message or a result that quotes bytes which are no UTF-8 is still written, and its JSON is JSON.
TEST(HostileFiles, NamesThatAreNoTextAreQuoted) {
  const SmallRun run;
  ASSERT_EQ(run.train({"--set", "train.steps=2"}).code, 0);
  const std::string odd = run.scratch.path("odd-\xff").string();
  fs::rename(run.folder, odd);
  fs::remove(odd + "/checkpoints/step-00000002/trainer.json");
  const Outcome outcome = run_kiln({"verify", odd, "--json"});
  EXPECT_EQ(outcome.code, 1) << outcome.err;
  EXPECT_EQ(nlohmann::json::parse(outcome.out)["good"], false);
  EXPECT_EQ(run_kiln({"sample", odd + "\xfe"}).code, 2);
  EXPECT_EQ(run_kiln({"verify", odd + "\xfe"}).code, 3);
}

}  // namespace
}  // namespace kiln
