// llm.c's model file: what is read is written again as the same weights.
#include "kiln/interop/llmc.h"
#include "kiln/interop/unsupported.h"

#include "target.h"
#include <algorithm>
#include <bit>

namespace kiln::fuzz {

void fuzz_llmc_model(std::string_view input) {
  static const Folder folder;
  const std::filesystem::path path = folder.put("model.bin", input);
  const ModelDescription description = read_llmc_description(path);
  const LlmcModel read = must([&] { return read_llmc_model(path); });
  const ModelConfig& config = read.model->config();
  require(config.n_layers == description.model.n_layers && read.model->vocab_size() == description.vocab_size,
          "the header alone says something else");
  require(static_cast<std::size_t>(read.weights->all().size()) <= input.size(), "{} weights in {} bytes",
          read.weights->all().size(), input.size());
  require(llmc_unsupported(config).empty(), "a model of llm.c's cannot be written for llm.c");
  const std::filesystem::path copy = folder.path() / "copy.bin";
  must([&] { return write_llmc_model(copy, config, description.vocab_size, *read.weights); });
  const LlmcModel again = must([&] { return read_llmc_model(copy); });
  const auto same = [](float a, float b) { return std::bit_cast<std::uint32_t>(a) == std::bit_cast<std::uint32_t>(b); };
  require(std::ranges::equal(read.weights->all(), again.weights->all(), same), "other weights");
}

}  // namespace kiln::fuzz
