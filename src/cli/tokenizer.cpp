// kiln tokenizer: trains a tokenizer, and converts text to ids and back.
#include "kiln/text/tokenizer.h"

#include "kiln/core/error.h"
#include "kiln/core/file.h"
#include "kiln/core/format.h"
#include "kiln/core/report.h"
#include "kiln/core/utf8.h"
#include "kiln/data/corpus.h"
#include "kiln/data/token_file.h"
#include "kiln/run/model_source.h"
#include "kiln/run/run_directory.h"
#include "kiln/text/bpe_tokenizer.h"
#include "kiln/text/none_tokenizer.h"
#include "kiln/text/text_error.h"
#include "kiln/text/tokenizer_json.h"

#include <nlohmann/json.hpp>
#include <spdlog/spdlog.h>

#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/data_arguments.h"
#include "cli/output.h"
#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <memory>
#include <numeric>
#include <span>

namespace kiln::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kIdsAtATime = 1 << 16;  // written to stdout at once
constexpr std::size_t kLongestShown = 10;
constexpr std::array<std::string_view, 2> kTokenFormats{"llmc", "nanogpt"};

struct TrainingOptions {
  DataConfig data;
  ReadingArguments reading;
  TokenizerConfig tokenizer;
  std::string pattern{kSplitPatterns[0]};
  std::string output;
  bool json = false;
};

struct UseOptions {
  std::string path;
  bool json = false;
  bool allow_special = false;
  std::string output;  // of encode: a token file, instead of stdout
  std::string format{kTokenFormats[0]};
};

std::unique_ptr<Tokenizer> load(const std::string& path) {
  const bool is_run = is_folder(RunPaths{path}.checkpoints());
  return load_tokenizer(is_run ? find_model_folder(path) : fs::path(path));
}

/// Returns the ids of the tokens with the most bytes, without special tokens.
std::vector<TokenId> longest_tokens(const Tokenizer& tokenizer) {
  std::vector<TokenId> ids(static_cast<std::size_t>(tokenizer.vocab_size()));
  std::iota(ids.begin(), ids.end(), 0);
  for (const SpecialToken& special : tokenizer.special_tokens()) std::erase(ids, special.id);
  std::ranges::stable_sort(ids, std::ranges::greater{}, [&](TokenId id) { return tokenizer.token_bytes(id).size(); });
  ids.resize(std::min(ids.size(), kLongestShown));
  return ids;
}

Json summary(const Tokenizer& tokenizer) {
  Json json{{"type", tokenizer.type()}, {"vocab_size", tokenizer.vocab_size()}};
  if (const auto* bpe = dynamic_cast<const BpeTokenizer*>(&tokenizer)) {
    json["merges"] = bpe->bpe().merges().size();
    json["pattern"] = name_of(bpe->pattern());
  }
  json["special_tokens"] = Json::array();
  for (const SpecialToken& token : tokenizer.special_tokens())
    json["special_tokens"].push_back({{"id", token.id}, {"content", token.content}});
  json["longest_tokens"] = Json::array();
  for (const TokenId id : longest_tokens(tokenizer)) {
    const std::string bytes = tokenizer.token_bytes(id);
    json["longest_tokens"].push_back({{"id", id}, {"text", bytes}, {"length_bytes", bytes.size()}});
  }
  return json;
}

void run_train(const TrainingOptions& options) {
  TokenizerConfig config = options.tokenizer;
  config.pattern = value_of<SplitPattern>(kSplitPatterns, options.pattern);
  for (const std::string& special : config.special_tokens) {
    check(!special.empty(), "--special: is empty; give every special token some text");
    check(utf8_valid_until(special) == special.size(), "--special {}: is not UTF-8", in_quotes(special));
    check(std::ranges::count(config.special_tokens, special) == 1, "--special {}: is given twice; keep one",
          in_quotes(special));
  }
  const std::int64_t least = kByteCount + std::ssize(config.special_tokens);
  check(config.vocab_size >= least,
        "--vocab-size {}: at least {} is expected: the {} bytes and the special tokens ({})", config.vocab_size, least,
        kByteCount, config.special_tokens.size());
  check_output_file("--output", options.output, kTokenizerFile);
  DataConfig data = options.data;
  data.validation_fraction = 0;
  options.reading.apply_to(data);
  const Corpus corpus(data, {}, "--input");
  check_not_read(options.output, corpus.train_files().files);
  if (!corpus.train_files().left.empty()) spdlog::info("--input: {}", describe_files(corpus.train_files()));
  if (const std::string odd_bytes = corpus.check_bytes(); !odd_bytes.empty()) spdlog::warn("{}", odd_bytes);
  const std::unique_ptr<Tokenizer> tokenizer = make_tokenizer(config, corpus.train());
  write_file_atomically(options.output, format_tokenizer_json(*tokenizer));
  spdlog::info("{}: {}", options.output, counted(tokenizer->vocab_size(), "entry"));
  if (tokenizer->vocab_size() < config.vocab_size)
    spdlog::warn("fewer entries than --vocab-size {}: no further pair of tokens occurs twice in the text",
                 config.vocab_size);
  if (!options.json) return;
  Json report = summary(*tokenizer);
  report["output"] = options.output;
  write_json(report);
}

/// Formats ids in decimal, each after a separator.
std::string format_ids(std::span<const TokenId> ids, char separator) {
  constexpr std::size_t kLongest = 1 + std::numeric_limits<TokenId>::digits10 + 1;
  std::string text(ids.size() * kLongest, separator);
  char* at = text.data();
  for (const TokenId id : ids) at = std::to_chars(at + 1, text.data() + text.size(), id).ptr;
  text.resize(static_cast<std::size_t>(at - text.data()));
  return text;
}

/// Returns the token file of ids that encode `text_bytes` bytes.
std::string token_file_bytes(const UseOptions& options, const Tokenizer& tokenizer, std::span<const TokenId> ids,
                             std::size_t text_bytes) {
  if (options.format != kTokenFormats[0]) return raw_token_bytes(ids, tokenizer.vocab_size());
  TokenFileBuilder builder(tokenizer.vocab_size());
  builder.append(ids, static_cast<Index>(text_bytes));
  return builder.finish();
}

void run_encode(const UseOptions& options) {
  if (!options.output.empty()) {
    check_output_file("--to", options.output, "tokens.bin");
    check_not_read(options.output, std::array<std::filesystem::path, 2>{options.path, "/dev/stdin"});
  }
  const std::unique_ptr<Tokenizer> tokenizer = load(options.path);
  const std::string text = read_stdin();
  const std::vector<TokenId> ids = [&] {
    const Work work("encoding", static_cast<double>(text.size()), "bytes");
    try {
      return tokenizer->encode(text, options.allow_special ? SpecialTokens::allow : SpecialTokens::as_text);
    } catch (const TextError& error) {
      throw Error(error.code(), error.in("stdin", error.offset()));
    }
  }();
  if (!options.output.empty()) {
    const std::size_t text_bytes =
        options.allow_special ? tokenizer->decode(ids, SpecialText::meaning).size() : text.size();
    write_file_atomically(options.output, token_file_bytes(options, *tokenizer, ids, text_bytes));
    spdlog::info("{}: {}", options.output, counted(std::ssize(ids), "token"));
    return;
  }
  if (options.json) write_stdout("[");
  for (std::size_t at = 0; at < ids.size(); at += kIdsAtATime) {
    const std::string part =
        format_ids(std::span(ids).subspan(at, std::min(kIdsAtATime, ids.size() - at)), options.json ? ',' : ' ');
    write_stdout(std::string_view(part).substr(at == 0 ? 1 : 0));  // no separator before the first id
  }
  if (options.json) write_stdout("]");
}

std::vector<TokenId> parse_ids(std::string_view text) {
  std::vector<TokenId> ids;
  append_ids(text, 0, "ids separated by spaces are expected on stdin (with --json, an array)",
             std::numeric_limits<std::int64_t>::max(), ids);
  return ids;
}

std::vector<TokenId> parse_json_ids(std::string_view text) {
  const Json json = parse_json(text, "stdin", ExitCode::usage);
  check(json.is_array(), "stdin: {} is not an array of token ids", brief_json(json));
  std::vector<TokenId> ids;
  for (const Json& id : json) {
    const bool is_id = id.is_number_integer() && id >= 0 && id <= std::numeric_limits<TokenId>::max();
    check(is_id, "stdin: {} at /{} is not a token id", brief_json(id), ids.size());
    ids.push_back(id.get<TokenId>());
  }
  return ids;
}

void run_decode(const UseOptions& options) {
  const std::unique_ptr<Tokenizer> tokenizer = load(options.path);
  const std::string text = read_stdin();
  write_stdout(tokenizer->decode(options.json ? parse_json_ids(text) : parse_ids(text)));
}

/// Formats the description for people.
std::string to_text(const Json& info) {
  Table table;
  for (const auto& [key, value] : info.items()) {
    if (!value.is_array()) table.row({key, value.is_string() ? value.get<std::string>() : value.dump()});
  }
  table.heading("Special tokens");
  for (const Json& token : info["special_tokens"])
    table.row({in_quotes(token["content"].get_ref<const std::string&>()), token["id"].dump()});
  table.heading("Longest tokens");
  for (const Json& token : info["longest_tokens"])
    table.row({in_quotes(token["text"].get_ref<const std::string&>()), token["id"].dump(),
               counted(token["length_bytes"].get<std::int64_t>(), "byte")});
  return table.text();
}

void run_info(const UseOptions& options) {
  const Json info = summary(*load(options.path));
  options.json ? write_json(info) : write_stdout(to_text(info));
}

void add_training(CLI::App& app) {
  auto options = std::make_shared<TrainingOptions>();
  CLI::App* command = app.add_subcommand("train", "Learn byte-level BPE from text");
  command->add_option("--input", options->data.train, "text: files, folders or globs")
      ->required()
      ->type_name("FILE")
      ->default_str("");
  add_count(*command, "--vocab-size", options->tokenizer.vocab_size, "entries, with the 256 bytes and special tokens",
            1)
      ->required()
      ->type_name("N")
      ->default_str("");
  command->add_option("--output", options->output, "tokenizer.json to write")->required()->type_name("FILE");
  add_repeated(*command, "--special", options->tokenizer.special_tokens,
               "special token, never merged with text, in place of the default; may be repeated")
      ->type_name("TOKEN");
  add_choice(*command, "--pattern", options->pattern, kSplitPatterns, "how bpe splits text into words");
  command
      ->add_option("--document-separator", options->data.document_separator,
                   "line that separates the documents of a file; training skips it")
      ->type_name("LINE");
  options->reading.add_to(*command);
  add_quiet_flag(*command);
  add_json_flag(*command, options->json);
  command->footer("Example: kiln tokenizer train --input data/*.txt --vocab-size 4096 --output tokenizer.json");
  command->callback([options] { run_train(*options); });
}

/// Declares a command that uses an existing tokenizer.
CLI::App* add_use(CLI::App& app, const char* name, const char* description, const std::shared_ptr<UseOptions>& options,
                  void (*run)(const UseOptions&)) {
  CLI::App* command = app.add_subcommand(name, description);
  command
      ->add_option("TOKENIZER,--tokenizer", options->path,
                   "tokenizer.json, checkpoint or run, or folder with vocab.json and merges.txt")
      ->required()
      ->type_name("PATH");
  command->callback([options, run] { run(*options); });
  return command;
}

}  // namespace

void add_tokenizer(CLI::App& app) {
  CLI::App* command = app.add_subcommand("tokenizer", "Train a tokenizer; turn text into token ids and back");
  command->require_subcommand(1);
  command->footer("kiln tokenizer COMMAND --help explains a command and shows its defaults.");
  add_training(*command);

  auto encoding = std::make_shared<UseOptions>();
  CLI::App* encode =
      add_use(*command, "encode", "Encode text from stdin to ids on stdout, or in a file", encoding, run_encode);
  CLI::Option* json =
      encode->add_flag("--json", encoding->json, "write the ids as a JSON array, not separated by spaces");
  CLI::Option* to = encode->add_option("--to", encoding->output, "token file to write, in place of stdout")
                        ->type_name("FILE")
                        ->default_str("")
                        ->excludes(json);
  add_choice(*encode, "--format", encoding->format, kTokenFormats,
             "format of that file; nanogpt takes up to 65,536 ids")
      ->needs(to);
  add_quiet_flag(*encode);
  encode->add_flag("--allow-special", encoding->allow_special, "read special tokens in the text as tokens");
  encode->footer(
      "kiln encodes every byte and adds no line feed.\n"
      "Examples: printf 'Once upon a time' | kiln tokenizer encode tokenizer.json\n"
      "          kiln tokenizer encode tokenizer.json --to train.bin < data/tales.txt");

  auto decoding = std::make_shared<UseOptions>();
  CLI::App* decode = add_use(*command, "decode", "Decode ids from stdin to text on stdout", decoding, run_decode);
  decode->add_flag("--json", decoding->json, "read the ids as a JSON array, not separated by spaces");
  decode->footer(
      "kiln adds no line feed.\n"
      "Example: echo 72 105 | kiln tokenizer decode tokenizer.json");

  auto informing = std::make_shared<UseOptions>();
  CLI::App* info = add_use(*command, "info", "Show type, size, special tokens and longest tokens", informing, run_info);
  add_json_flag(*info, informing->json);
  info->footer("Example: kiln tokenizer info runs/tales");
}

}  // namespace kiln::cli
