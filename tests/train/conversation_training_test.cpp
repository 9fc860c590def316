// Supervised finetuning as runs: it learns the answers alone, resumes to the byte, and leaves its template.
#include "kiln/core/file.h"
#include "kiln/infer/complete.h"
#include "kiln/run/checkpoint_store.h"
#include "kiln/run/metrics.h"
#include "kiln/run/model_chat.h"
#include "kiln/run/model_loader.h"
#include "kiln/train/training_run.h"

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "support/chat_runs.h"
#include "support/error_parts.h"
#include "support/log_capture.h"
#include "support/tiny_run.h"
#include "support/training_hooks.h"
#include "train/training_parts.h"
#include <string>

namespace kiln {
namespace {

using testing::expect_error_with;
using ::testing::HasSubstr;
using testing::LogCapture;
using testing::Scratch;
using testing::tiny_config;
using testing::train;
using testing::TrainingHooks;

/// Questions whose answers follow from them.
std::string chats() {
  std::string lines;
  for (int i = 0; i < 120; ++i) {
    const std::string answer(3, static_cast<char>('a' + i % 8));
    lines +=
        fmt::format(R"({{"messages":[{{"role":"user","content":"say {}"}},{{"role":"assistant","content":"{}"}}]}})"
                    "\n",
                    answer.front(), answer);
  }
  return lines;
}

/// A byte-level model from nothing, on conversations in chatml.
Config chat_config(const Scratch& scratch) {
  Config config = tiny_config(scratch);
  config.data.train = {scratch.write("chats.jsonl", chats())};
  config.objective.type = ObjectiveKind::sft;
  config.chat.choice = ChatTemplateChoice::chatml;
  config.tokenizer.special_tokens = chat_special_tokens(ChatTemplateKind::chatml);
  config.model.n_ctx = 64;
  config.model.d_model = 32;
  config.model.dropout = 0;
  config.model.d_head.reset();
  config.model.d_mlp.reset();
  config.model.resolve();
  config.train.steps = 150;
  config.train.batch_size.count = 4;
  config.train.eval_every = 50;
  config.train.checkpoint_every = 40;
  return config;
}

TEST(ConversationTraining, LearnsToAnswerAndToStop) {
  const Scratch scratch;
  const LogCapture log;
  TrainingRun run(chat_config(scratch), scratch.path("run"));
  EXPECT_THAT(log.text(), HasSubstr("template chatml; 108 conversations, 3,132 tokens, 14% of them supervised (108 "
                                    "end-of-turn tokens), longest 29"));
  run.train();
  const std::vector<MetricsRow> rows = read_metrics(run.paths().metrics());
  EXPECT_LT(*rows.back().validation_loss, 0.3);
  EXPECT_GT(*rows.back().end_accuracy, 0.95);
  const TrainingParts& parts = run.parts();
  CompletionOptions options;
  options.generation.max_tokens = 20;
  options.generation.sampling.greedy = true;
  options.generation.end_tokens = run.ids().ends;
  const std::vector<Prompt> prompts{parts.data.prompt("say c")};
  const Completion answer = complete(run.model(), run.tokenizer(), prompts, options).front();
  EXPECT_EQ(answer.text, "ccc");
  EXPECT_EQ(answer.finish, Finish::end);
}

TEST(ConversationTraining, ResumesToTheByte) {
  const Scratch scratch;
  Config config = chat_config(scratch);
  config.train.steps = 60;
  config.train.gradient_accumulation = 2;
  config.model.dropout = 0.1;
  const RunPaths whole = train(config, scratch.path("whole"));
  const RunPaths parts = train(config, scratch.path("parts"), 23);
  train(config, scratch.path("parts"), -1, OpenMode::resume);
  for (const char* file : {"model.safetensors", "optimizer.safetensors", "tokenizer_config.json"}) {
    EXPECT_EQ(read_file(whole.checkpoints() / checkpoint_name(60) / file),
              read_file(parts.checkpoints() / checkpoint_name(60) / file))
        << file;
  }
}

/// The echoes of chat_config, and stories of another kind, in a mix.
Config mixed_config(const Scratch& scratch) {
  Config config = chat_config(scratch);
  std::string stories;
  for (std::size_t i = 0; i < 30; ++i)
    stories += fmt::format("{{\"text\":\"once {} upon\"}}\n", std::string(i % 9, 'y'));
  config.data.mix = {{config.data.train, 1}, {{scratch.write("stories.jsonl", stories)}, 3}};
  config.data.train.clear();
  config.train.steps = 60;
  config.train.gradient_accumulation = 2;
  return config;
}

TEST(ConversationTraining, OfAMixResumesToTheByteAtAnOddStep) {
  const Scratch scratch;
  const RunPaths whole = train(mixed_config(scratch), scratch.path("whole"));
  const RunPaths parts = train(mixed_config(scratch), scratch.path("parts"), 23);
  train(mixed_config(scratch), scratch.path("parts"), -1, OpenMode::resume);
  for (const char* file : {"model.safetensors", "optimizer.safetensors"}) {
    EXPECT_EQ(read_file(whole.checkpoints() / checkpoint_name(60) / file),
              read_file(parts.checkpoints() / checkpoint_name(60) / file))
        << file;
  }
}

TEST(ConversationTraining, OfAMixEvaluatesEachSource) {
  const Scratch scratch;
  const LogCapture log;
  TrainingRun run(mixed_config(scratch), scratch.path("run"));
  EXPECT_THAT(log.text(), HasSubstr("stories.jsonl: 75.0% of the examples, 12.00 passes in each epoch; 27 conv"));
  TrainingHooks hooks;
  Evaluation last;
  hooks.after_evaluation = [&](const Evaluation& evaluation) { last = evaluation; };
  run.train(hooks);
  ASSERT_EQ(last.parts.size(), 2u);
  const Evaluation &echoes = last.parts[0], &stories = last.parts[1];
  EXPECT_THAT(stories.part, ::testing::EndsWith("stories.jsonl"));
  EXPECT_EQ(echoes.tokens, 12 * 4);
  EXPECT_EQ(echoes.tokens + stories.tokens, last.tokens);
  EXPECT_NEAR(echoes.loss * static_cast<double>(echoes.tokens) + stories.loss * static_cast<double>(stories.tokens),
              last.loss * static_cast<double>(last.tokens), 1e-9);
}

TEST(ConversationTraining, ASourceWithoutAConversationThatFitsIsRefused) {
  const Scratch scratch;
  Config config = mixed_config(scratch);
  config.data.mix[1].files = {scratch.write("long.jsonl", R"({"text":")" + std::string(200, 'x') + "\"}\n")};
  expect_error_with(ExitCode::usage, {"long.jsonl: none of its conversations can be used", "raise model.n_ctx"},
                    [&] { TrainingRun(config, scratch.path("run")); });
}

TEST(ConversationTraining, TheCheckpointHasTheTemplateTwiceAndStopsAtTheEndOfATurn) {
  const Scratch scratch;
  Config config = chat_config(scratch);
  config.train.steps = 2;
  const RunPaths paths = train(config, scratch.path("run"));
  const std::filesystem::path folder = *latest_checkpoint(paths.checkpoints());
  const Json tokenizer = parse_json(read_file(folder / "tokenizer_config.json"), "tokenizer_config.json");
  EXPECT_EQ(tokenizer["chat_template"], read_file(folder / "chat_template.jinja"));
  EXPECT_EQ(tokenizer["eos_token"], "<|im_end|>");
  EXPECT_EQ(folder_chat_template(folder)->kind, ChatTemplateKind::chatml);
  EXPECT_NE(read_trainer_state(folder).chat_template, 0u);
  const LoadedModel loaded = load_model(paths.root.string());
  EXPECT_EQ(loaded.ids().ends.front(), loaded.tokenizer->special("<|im_end|>"));
}

TEST(ConversationTraining, AFoldersTemplateIsReadWithItsTokens) {
  const Scratch scratch;
  const auto folder_with = [&](const Json& config) {
    scratch.write("tokenizer_config.json", config.dump());
    return scratch.path();
  };
  Json config{{"chat_template", "{{ eos_token }}"}, {"bos_token", nullptr}, {"eos_token", "<|im_end|>"}};
  const std::optional<ChatTemplateSpec> own = folder_chat_template(folder_with(config));
  ASSERT_TRUE(own.has_value());
  EXPECT_EQ(own->kind, ChatTemplateKind::own);
  EXPECT_EQ(own->jinja, "{{ eos_token }}");
  EXPECT_EQ(own->tokens.start, "");
  EXPECT_EQ(own->tokens.end, "<|im_end|>");
  config["eos_token"] = {{"content", "</s>"}, {"lstrip", false}};
  EXPECT_EQ(folder_chat_template(folder_with(config))->tokens.end, "</s>");
  config.erase("chat_template");
  EXPECT_FALSE(folder_chat_template(folder_with(config)).has_value());
}

/// A folder as other programs write it, whose template begins each conversation with a system message.
std::filesystem::path foreign_model(const Scratch& scratch, const std::string& jinja) {
  Config config = chat_config(scratch);
  config.train.steps = 2;
  const RunPaths paths = train(config, scratch.path("base"));
  const std::filesystem::path from = *latest_checkpoint(paths.checkpoints());
  std::filesystem::path folder = scratch.path("foreign");
  std::filesystem::create_directories(folder);
  for (const char* file : {"config.json", "model.safetensors", "tokenizer.json", "generation_config.json"})
    std::filesystem::copy_file(from / file, folder / file);
  Json tokenizer = parse_json(read_file(from / "tokenizer_config.json"), "tokenizer_config.json");
  tokenizer["chat_template"] = jinja;
  scratch.write("foreign/tokenizer_config.json", tokenizer.dump());
  return folder;
}

const std::string kGood =
    "{{ '<|im_start|>system\nBe good.' + eos_token }}{% for m in messages %}"
    "{{ '<|im_start|>' + m.role + '\n' + m.content + eos_token }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

TEST(ConversationTraining, AForeignTemplateIsTrainedWithAndKept) {
  const Scratch scratch;
  const std::filesystem::path base = foreign_model(scratch, kGood);
  const LogCapture log;
  Config config = ConfigFile(scratch.write("sft.json", R"({"init_from": ")" + base.string() +
                                                           R"(", "objective": {"type": "sft"}, "data": {"train": [")" +
                                                           scratch.write("chats.jsonl", chats()) +
                                                           R"("]}, "train": {"steps": 8, "batch_size": 2}})"))
                      .config();
  const RunPaths whole = train(config, scratch.path("whole"));
  EXPECT_THAT(log.text(), HasSubstr("template own; 108 conversations"));
  const RunPaths parts = train(config, scratch.path("parts"), 3);
  std::filesystem::remove_all(base);
  train(config, scratch.path("parts"), -1, OpenMode::resume);
  const std::filesystem::path folder = whole.checkpoints() / checkpoint_name(8);
  for (const char* file : {"model.safetensors", "tokenizer_config.json", "chat_template.jinja"})
    EXPECT_EQ(read_file(folder / file), read_file(parts.checkpoints() / checkpoint_name(8) / file)) << file;
  EXPECT_EQ(read_file(folder / "chat_template.jinja"), kGood);

  const LoadedModel loaded = load_model(whole.root.string());
  const ChatTemplate chat = chat_template_of(loaded, std::nullopt, "--template");
  EXPECT_EQ(chat.kind(), ChatTemplateKind::own);
  EXPECT_EQ(chat.text(std::vector<ChatMessage>{{ChatRole::user, "say c"}}, true),
            "<|im_start|>system\nBe good.<|im_end|><|im_start|>user\nsay c<|im_end|><|im_start|>assistant\n");
  EXPECT_EQ(loaded.ids().ends.front(), chat.end_of_turn());
  expect_error_with(ExitCode::usage, {"--template plain", "was finetuned with the template own"},
                    [&] { chat_template_of(loaded, ChatTemplateKind::plain, "--template"); });
}

TEST(ConversationTraining, InPlaceOfAForeignTemplateOneOfKilnsMayBeChosen) {
  const Scratch scratch;
  const LoadedModel loaded = load_model(foreign_model(scratch, kGood).string());
  const auto chosen = [&](std::optional<ChatTemplateKind> choice) {
    return chat_template_of(loaded, choice, "--template").kind();
  };
  EXPECT_EQ(chosen(std::nullopt), ChatTemplateKind::own);
  EXPECT_EQ(chosen(ChatTemplateKind::own), ChatTemplateKind::own);
  const LogCapture log;
  EXPECT_EQ(chosen(ChatTemplateKind::chatml), ChatTemplateKind::chatml);
  EXPECT_THAT(log.text(), HasSubstr("using the template chatml in place of the model's own"));
  EXPECT_EQ(chosen(ChatTemplateKind::plain), ChatTemplateKind::plain);
  expect_error_with(ExitCode::usage, {"\"llama3\": the vocabulary has no special token"},
                    [&] { chosen(ChatTemplateKind::llama3); });
}

TEST(ConversationTraining, AForeignTemplateThatCannotBeUsedNamesWhyAndWhatToChoose) {
  const Scratch scratch;
  const LoadedModel loaded = load_model(foreign_model(scratch, "{{ messages[0].content }}").string());
  expect_error_with(ExitCode::usage,
                    {"foreign: the model's chat template leaves out messages[1], of the role assistant; choose "
                     "chatml, llama3 or plain with --template"},
                    [&] { chat_template_of(loaded, std::nullopt, "--template"); });
  EXPECT_EQ(chat_template_of(loaded, ChatTemplateKind::plain, "--template").kind(), ChatTemplateKind::plain);
}

TEST(ConversationTraining, AModelWithoutATemplateHasNoneOfItsOwn) {
  const Scratch scratch;
  std::filesystem::path folder = foreign_model(scratch, "");
  expect_error_with(ExitCode::usage, {"--template own: ", "has no chat template of its own"},
                    [&] { chat_template_of(load_model(folder.string()), ChatTemplateKind::own, "--template"); });
}

TEST(ConversationTraining, OtherConversationsAreRefusedOnResume) {
  const Scratch scratch;
  Config config = chat_config(scratch);
  config.train.steps = 4;
  train(config, scratch.path("run"), 2);
  scratch.write("chats.jsonl", chats() + R"({"prompt":"new","completion":"line"})");
  expect_error_with(ExitCode::usage, {"was trained on other data", "--retokenize"},
                    [&] { TrainingRun(config, scratch.path("run"), {.mode = OpenMode::resume}); });
}

/// A text model of bytes without chat tokens, to start from.
std::string text_model(const Scratch& scratch) {
  Config config = tiny_config(scratch);
  config.model.n_ctx = 64;
  config.model.dropout = 0;
  config.train.steps = 3;
  config.train.eval_every = 0;
  return train(config, scratch.path("base")).root.string();
}

Config finetuning(const Scratch& scratch, const std::string& base) {
  const std::string file = scratch.write("sft.json", R"({"init_from": ")" + base + R"(", "objective": {"type": "sft"},
      "chat": {"template": "chatml"}, "data": {"train": [")" +
                                                         scratch.write("chats.jsonl", chats()) +
                                                         R"("]}, "train": {"steps": 2, "batch_size": 2}})");
  return ConfigFile(file).config();
}

TEST(ConversationTraining, AModelWithoutTheTemplatesTokensGetsThemAsTheMeanOfItsEmbedding) {
  const Scratch scratch;
  const LogCapture log;
  {
    TrainingRun run(finetuning(scratch, text_model(scratch)), scratch.path("run"));
    EXPECT_THAT(log.text(),
                HasSubstr("lacks 2 tokens of the template chatml; they begin as the mean of the embedding"));
    const TrainingParts& p = run.parts();
    ASSERT_EQ(p.model->vocab_size(), 258);
    const ConstMat<float> wte = as_const(p.weights->masters().mat(p.model->layout.find("wte.weight")));
    EXPECT_LT((wte.row(257) - wte.topRows(256).colwise().mean()).norm(), 1e-5f);
    run.train();
  }
  TrainingRun again(finetuning(scratch, scratch.path("base")), scratch.path("run"), {.mode = OpenMode::resume});
  EXPECT_TRUE(again.is_finished());
}

TEST(ConversationTraining, AnotherTemplateThanTheModelsIsRefusedAndNamed) {
  const Scratch scratch;
  const std::string base = text_model(scratch);
  TrainingRun(finetuning(scratch, base), scratch.path("chatml")).train();
  Config config = finetuning(scratch, scratch.path("chatml"));
  config.chat.choice = ChatTemplateChoice::plain;
  expect_error_with(ExitCode::usage, {"chat.template plain", "has the template chatml; leave the choice out"},
                    [&] { TrainingRun(config, scratch.path("plain")); });
  config.chat.choice = ChatTemplateChoice::automatic;
  EXPECT_EQ(TrainingRun(config, scratch.path("auto")).config().chat.kind(), ChatTemplateKind::chatml);
}

TEST(ConversationTraining, ATokenizerWithMoreEntriesThanTheModelIsRefused) {
  const Scratch scratch;
  Config config = finetuning(scratch, text_model(scratch));
  config.tokenizer.path.reset();
  config.tokenizer.type = TokenizerKind::byte;
  config.tokenizer.special_tokens = {"<|x|>"};
  expect_error_with(ExitCode::bad_input, {"the tokenizer has 257 entries and the model's embedding 256 rows"},
                    [&] { TrainingRun(config, scratch.path("run")); });
}

TEST(ConversationTraining, NeedsATokenizerAndConversationsThatFit) {
  const Scratch scratch;
  Config config = chat_config(scratch);
  config.tokenizer.type = TokenizerKind::bpe;
  expect_error_with(ExitCode::usage, {"objective.type sft: needs the tokenizer of a trained model", "init_from"},
                    [&] { TrainingRun(config, scratch.path("run")); });
  config = chat_config(scratch);
  config.model.n_ctx = 16;
  expect_error_with(ExitCode::usage, {"none of its conversations can be used", "raise model.n_ctx"},
                    [&] { TrainingRun(config, scratch.path("run")); });
}

}  // namespace
}  // namespace kiln
