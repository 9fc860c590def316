// Finetuning on conversations by command: what is shown of the data, learned, scored and answered.
#include "kiln/core/file.h"
#include "kiln/core/json.h"
#include "kiln/run/checkpoint_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "cli/echo_chats.h"
#include "cli/on_terminal.h"
#include <string>
#include <vector>

namespace kiln {
namespace {

using ::testing::AllOf;
using testing::echo_chats;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::Outcome;

/// A finetuned model of bytes, in a folder of its own.
struct ChatModel : testing::WorkingFolder {
  ChatModel() {
    scratch.write("chats.jsonl", echo_chats(160));
    scratch.write("questions.jsonl", echo_chats(8));
    scratch.write("sft.json", R"({"name": "sft", "tokenizer": {"type": "byte", "special_tokens": []},
      "chat": {"template": "chatml"}, "data": {"train": ["chats.jsonl"]}, "objective": {"type": "sft"},
      "model": {"n_layers": 1, "d_model": 32, "n_heads": 2, "n_ctx": 64, "dropout": 0, "activation": "gelu_new"},
      "optimizer": {"learning_rate": 0.01}, "schedule": {"warmup_steps": 2},
      "train": {"steps": 150, "batch_size": 4, "eval_every": 50, "threads": 2}})");
    trained = kiln({"train", "sft.json"});
  }
  Outcome trained;
};

const ChatModel& chat_model() {
  static const ChatModel model;
  return model;
}

TEST(ConversationCommands, FinetuningAModelWithoutAConfigRecognisesThem) {
  const ChatModel& model = chat_model();
  const std::vector<std::string> what{"--init-from", "runs/sft", "--data", "chats.jsonl"};
  const auto with = [&](std::vector<std::string> command, const std::vector<std::string>& more) {
    command.insert(command.end(), what.begin(), what.end());
    command.insert(command.end(), more.begin(), more.end());
    return model.kiln(command);
  };
  const Outcome trained = with({"train"}, {"--run", "runs/again", "--set", "train.epochs=1"});
  ASSERT_EQ(trained.code, 0) << trained.err;
  EXPECT_THAT(trained.err, AllOf(HasSubstr("finetuning runs/sft ("), HasSubstr(") on 144 conversations of about "),
                                 HasSubstr("at ends of turns 100.0%")));
  const Json config = Json::parse(read_file(model.scratch.path("runs/again/config.json")));
  EXPECT_EQ(config["objective"]["type"], "sft");
  EXPECT_EQ(config["data"]["validation_fraction"], 0.1);
  EXPECT_EQ(config["model"]["n_ctx"], 64);
  EXPECT_EQ(model.kiln({"chat", "runs/again", "--greedy"}, "say d\n").out, "dd\n");
  const Outcome made = with({"new"}, {"--for", "1m"});
  ASSERT_EQ(made.code, 0) << made.err;
  EXPECT_EQ(Json::parse(read_file(model.scratch.path("sft-chats.json")))["objective"]["type"], "sft");
  EXPECT_THAT(read_file(model.scratch.path("sft-chats.json.why.md")),
              HasSubstr("- `objective.type` sft: the data are conversations: 144 to train on, "));
}

TEST(ConversationCommands, ShowTheDataAsTheModelSeesThem) {
  const Outcome text = chat_model().kiln({"data", "show", "sft.json", "--count", "1"});
  EXPECT_EQ(text.code, 0) << text.err;
  EXPECT_THAT(text.out,
              AllOf(HasSubstr("-- example 1: 27 tokens, 3 of them supervised"), HasSubstr("⟦<|im_start|>⟧user\n"),
                    HasSubstr("assistant\n「"), HasSubstr("⟦<|im_end|>⟧」"), HasSubstr("144 conversations in one pass"),
                    HasSubstr("without an answer")));
  const Json json = Json::parse(chat_model().kiln({"data", "show", "sft.json", "--count", "2", "--json"}).out);
  ASSERT_EQ(json["examples"].size(), 2u);
  EXPECT_EQ(json["census"]["examples"], 144);
  EXPECT_EQ(json["census"]["too_long"], 0);
  EXPECT_EQ(json["census"]["conversations"], 144);
  EXPECT_EQ(json["census"]["supervised_ends"], 144);
  const Json& example = json["examples"][0];
  ASSERT_EQ(example["ids"].size(), example["supervised"].size());
  EXPECT_EQ(example["supervised"].back(), 1);
  EXPECT_GT(json["census"]["packing"], 0.8);
}

TEST(ConversationCommands, ATypedMarkerDoesNotLookLikeAToken) {
  const ChatModel& model = chat_model();
  model.scratch.write("typed.jsonl", R"({"prompt": "<|im_end|>", "completion": "no"})");
  std::vector<std::string> command{
      "data", "show", "sft.json", "--set", R"(data.train=["typed.jsonl"])", "--set", "data.validation_fraction=0"};
  EXPECT_THAT(model.kiln(command).out, HasSubstr("⟦<|im_start|>⟧user\n<|im_end|>⟦<|im_end|>⟧\n⟦<|im_start|>⟧assistant\n"
                                                 "「no⟦<|im_end|>⟧」"));
  for (const std::string name : {"sft.json", "typed.jsonl"}) {
    const std::string whole = model.scratch.path(name).string();
    for (std::string& word : command) {
      if (const std::size_t at = word.find(name); at != std::string::npos) word.replace(at, name.size(), whole);
    }
  }
  std::vector<std::string> in_colour = testing::kiln(command);
  in_colour.insert(in_colour.begin(), {"env", "-u", "NO_COLOR", "TERM=xterm"});
  testing::OnTerminal terminal(in_colour);
  EXPECT_THAT(terminal.all(), HasSubstr("user\r\n<|im_end|>\033[1m<|im_end|>\033[22m\r\n"));
}

TEST(ConversationCommands, AFinetunedModelAnswersAndStops) {
  ASSERT_EQ(chat_model().trained.code, 0) << chat_model().trained.err;
  EXPECT_THAT(
      chat_model().trained.err,
      ::testing::ContainsRegex("of them supervised .144 end-of-turn tokens., (.|\n)*accuracy 100.0%, at ends of turns "
                               "100.0%"));
  const Outcome chat = chat_model().kiln({"chat", "runs/sft", "--greedy"}, "say d\nsay b\n");
  EXPECT_EQ(chat.code, 0) << chat.err;
  EXPECT_EQ(chat.out, "dd\nbb\n");
}

TEST(ConversationCommands, EvalScoresTheAnswersAlone) {
  const Json split = Json::parse(chat_model().kiln({"eval", "runs/sft", "--json"}).out);
  EXPECT_LT(split["loss"], 0.2);
  EXPECT_EQ(split["end_accuracy"], 1.0);
  EXPECT_EQ(split["tokens"], 16 * 3);
  const Json file = Json::parse(chat_model().kiln({"eval", "runs/sft", "--data", "questions.jsonl", "--json"}).out);
  EXPECT_EQ(file["tokens"], 8 * 3);
}

TEST(ConversationCommands, EvalScoresSeveralFilesOneByOne) {
  const ChatModel& model = chat_model();
  const std::vector<std::string> command{"eval", "runs/sft", "--data", "questions.jsonl", "chats.jsonl"};
  std::vector<std::string> as_json = command;
  as_json.push_back("--json");
  const Json json = Json::parse(model.kiln(as_json).out);
  EXPECT_EQ(json["tokens"], 168 * 3);
  ASSERT_EQ(json["parts"].size(), 2u);
  EXPECT_EQ(json["parts"][0]["name"], "questions.jsonl");
  EXPECT_EQ(json["parts"][0]["tokens"], 8 * 3);
  EXPECT_EQ(json["parts"][1]["tokens"], 160 * 3);
  EXPECT_LT(json["parts"][1]["loss"], 0.2);
  EXPECT_THAT(model.kiln(command).out, ::testing::ContainsRegex("part +loss .*\n *questions.jsonl .*\n *chats.jsonl"));
}

TEST(ConversationCommands, DataShowCountsEachSourceOfAMix) {
  const ChatModel& model = chat_model();
  const std::vector<std::string> command{
      "data",
      "show",
      "sft.json",
      "--set",
      "data.train=[]",
      "--set",
      R"(data.mix=[{"files": ["chats.jsonl"], "weight": 3}, {"files": ["questions.jsonl"]}])",
      "--set",
      "data.validation_fraction=0"};
  std::vector<std::string> as_json = command;
  as_json.push_back("--json");
  const Outcome shown = model.kiln(as_json);
  ASSERT_EQ(shown.code, 0) << shown.err;
  const Json json = Json::parse(shown.out);
  EXPECT_EQ(json["census"]["examples"], 213);  // 160 + round(160 / 3)
  ASSERT_EQ(json["sources"].size(), 2u);
  EXPECT_EQ(json["sources"][0]["name"], "chats.jsonl");
  EXPECT_EQ(json["sources"][0]["draws"], 160);
  EXPECT_EQ(json["sources"][1]["draws"], 53);
  EXPECT_EQ(json["sources"][1]["conversations"], 8);
  EXPECT_EQ(json["census"]["conversations"], 168);
  EXPECT_NEAR(json["sources"][0]["share"].get<double>(), 0.75, 2e-3);
  const std::string text = model.kiln(command).out;
  EXPECT_THAT(text, AllOf(HasSubstr("213 conversations in one pass"),
                          ::testing::ContainsRegex("different conversations +168\n *tokens of these +[0-9]"),
                          ::testing::ContainsRegex("chats.jsonl +75.1% +1.00 +160 "),
                          ::testing::ContainsRegex("questions.jsonl +24.9% +6.62 +8 ")));
}

TEST(ConversationCommands, EvalComparesGeneratedAnswers) {
  const Json json = Json::parse(chat_model().kiln({"eval", "runs/sft", "--generate", "questions.jsonl", "--json"}).out);
  ASSERT_EQ(json["scores"].size(), 3u);  // all, even, odd
  EXPECT_EQ(json["scores"][0]["asked"], 8);
  EXPECT_EQ(json["scores"][0]["exact"], 1.0);
  EXPECT_EQ(json["scores"][0]["ended"], 1.0);
  EXPECT_EQ(json["scores"][1]["kind"], "even");
  EXPECT_EQ(json["answers"][3]["expected"], "dd");
  const Outcome text = chat_model().kiln({"eval", "runs/sft", "--generate", "questions.jsonl"});
  EXPECT_THAT(text.out, AllOf(HasSubstr("exact"), HasSubstr("67.6% to 100.0%")));
}

TEST(ConversationCommands, EvalDrawsAnswersOnRequest) {
  const ChatModel& model = chat_model();
  const auto answers = [&](const std::vector<std::string>& more) {
    std::vector<std::string> command{"eval", "runs/sft", "--generate", "questions.jsonl", "--json"};
    command.insert(command.end(), more.begin(), more.end());
    const Outcome outcome = model.kiln(command);
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    return Json::parse(outcome.out);
  };
  const std::vector<std::string> varied{"--temperature", "20", "--samples", "5", "--max-tokens", "3"};
  const Json drawn = answers(varied);
  EXPECT_EQ(drawn["scores"][0]["asked"], 8);
  EXPECT_EQ(drawn["scores"][0]["answers"], 40);
  EXPECT_LT(drawn["scores"][0]["exact"], 0.5);
  ASSERT_EQ(drawn["answers"].size(), 40u);
  EXPECT_EQ(drawn["answers"][4]["expected"], drawn["answers"][0]["expected"]);
  EXPECT_NE(drawn["answers"][4]["answer"], drawn["answers"][0]["answer"]);
  EXPECT_EQ(answers(varied), drawn) << "the same seed";
  std::vector<std::string> other = varied;
  other.insert(other.end(), {"--seed", "5"});
  EXPECT_NE(answers(other), drawn);
  const Json greedy = answers({"--samples", "2", "--greedy"});
  EXPECT_EQ(greedy["scores"][0]["exact"], 1.0);
  EXPECT_EQ(greedy["answers"][0], greedy["answers"][1]);
  EXPECT_THAT(model.kiln({"eval", "runs/sft", "--temperature", "1"}).err, HasSubstr("--generate"));
}

TEST(ConversationCommands, ConversationsAsTextNameTheOptionThatScoresThem) {
  const ChatModel& model = chat_model();
  ASSERT_EQ(model.kiln({"export", "runs/sft", "--to", "hf", "--output", "exported"}).code, 0);
  EXPECT_THAT(
      model.kiln({"eval", "exported", "--data", "questions.jsonl"}).err,
      HasSubstr("so it is a conversation: objective.type sft trains on it, and kiln eval scores it with --template"));
}

TEST(ConversationCommands, ChangedConversationsAreNotScoredAsTheRunsOwn) {
  const ChatModel changed;
  changed.scratch.write("chats.jsonl", echo_chats(150));
  const Outcome outcome = changed.kiln({"eval", "runs/sft"});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("the run was trained on other conversations than data.train"));
}

TEST(ConversationCommands, AnotherTemplateIsRefusedWithBothNames) {
  const Outcome outcome = chat_model().kiln({"chat", "runs/sft", "--template", "plain"}, "say d\n");
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.err, AllOf(HasSubstr("--template plain: "), HasSubstr("was finetuned with the template chatml")));
}

TEST(ConversationCommands, ATemplateOtherThanAFoldersOwnIsRefused) {
  const ChatModel& model = chat_model();
  ASSERT_EQ(model.kiln({"export", "runs/sft", "--to", "hf", "--output", "own"}).code, 0);
  const Outcome outcome = model.kiln({"chat", "own", "--template", "plain"}, "say d\n");
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.err,
              AllOf(HasSubstr("--template plain: "), HasSubstr("own has the template chatml; leave the choice out")));
  EXPECT_EQ(model.kiln({"chat", "own", "--template", "chatml", "--greedy"}, "say d\n").out, "dd\n");
}

TEST(ConversationCommands, OfTwoTemplatesInAFolderTheFileCounts) {
  const ChatModel& model = chat_model();
  ASSERT_EQ(model.kiln({"export", "runs/sft", "--to", "hf", "--output", "two"}).code, 0);
  Json config = Json::parse(read_file(model.scratch.path("two/tokenizer_config.json")));
  const Json jinja = config["chat_template"];
  config["chat_template"] = "{{ 'another' }}";
  model.scratch.write("two/tokenizer_config.json", config.dump());
  const Outcome differs = model.kiln({"chat", "two", "--greedy"}, "say d\n");
  EXPECT_EQ(differs.out, "dd\n");
  EXPECT_THAT(differs.err, HasSubstr("two: tokenizer_config.json holds another chat template; using that of "
                                     "chat_template.jinja"));
  std::filesystem::remove(model.scratch.path("two/chat_template.jinja"));
  const Outcome unknown = model.kiln({"chat", "two"}, "say d\n");
  EXPECT_EQ(unknown.code, 2);
  EXPECT_THAT(unknown.err, HasSubstr("two: the model's chat template leaves out messages[0], of the role user; choose "
                                     "chatml, llama3 or plain with --template"));
  config["chat_template"] =
      "{% for m in messages %}{{ '<|im_start|>' ~ m.role ~ '\n' ~ m.content ~ eos_token ~ '\\n' }}"
      "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";
  model.scratch.write("two/tokenizer_config.json", config.dump());
  EXPECT_EQ(model.kiln({"chat", "two", "--greedy"}, "say d\n").out, "dd\n") << "chatml in other words";
  ASSERT_EQ(model.kiln({"import", "two", "--run", "runs/imported"}).code, 0);
  EXPECT_EQ(model.kiln({"chat", "runs/imported", "--greedy"}, "say d\n").out, "dd\n");
  EXPECT_EQ(Json::parse(read_file(model.scratch.path("two/tokenizer_config.json")))["chat_template"],
            read_file(*latest_checkpoint(model.scratch.path("runs/imported/checkpoints")) / "chat_template.jinja"));
  config["chat_template"] = {{{"name", "tool_use"}, {"template", "{{ tools }}"}},
                             {{"name", "default"}, {"template", jinja}}};
  model.scratch.write("two/tokenizer_config.json", config.dump());
  const Outcome named = model.kiln({"chat", "two", "--greedy"}, "say d\n");
  EXPECT_EQ(named.out, "dd\n") << named.err;
  EXPECT_THAT(named.err, Not(HasSubstr("another chat template")));
}

TEST(ConversationCommands, TasksAreAnsweredByTheLikeliestChoice) {
  const ChatModel& model = chat_model();
  model.scratch.write("tasks.jsonl", R"({"prompt": "say c", "choices": ["aa", "cc", "ccc"], "answer": 1}
{"prompt": "say f", "choices": ["ff", "g"], "answer": "ff"}

{"prompt": "say b", "choices": ["b", "bb"], "answer": 0}
)");
  const Json json = Json::parse(model.kiln({"eval", "runs/sft", "--tasks", "tasks.jsonl", "--json"}).out);
  EXPECT_EQ(json["asked"], 3);
  EXPECT_NEAR(json["by_sum"]["accuracy"].get<double>(), 2.0 / 3, 1e-9);
  EXPECT_EQ(json["questions"][2]["likeliest"], 1);
  EXPECT_EQ(json["questions"][1]["place"], "tasks.jsonl:2");
  EXPECT_THAT(model.kiln({"eval", "runs/sft", "--tasks", "tasks.jsonl"}).out, HasSubstr("66.7%"));
  model.scratch.write("wrong.jsonl", "{\"prompt\": \"a\", \"choices\": [\"b\", \"c\"], \"answer\": 2}\n");
  const Outcome wrong = model.kiln({"eval", "runs/sft", "--tasks", "wrong.jsonl"});
  EXPECT_EQ(wrong.code, 3);
  EXPECT_THAT(wrong.err, HasSubstr("wrong.jsonl:1: \"answer\", the index of the right choice"));
}

TEST(ConversationCommands, ExportsHoldTheTemplate) {
  const ChatModel& model = chat_model();
  ASSERT_EQ(model.kiln({"export", "runs/sft", "--to", "hf", "--output", "hf"}).code, 0);
  const std::string jinja = read_file(model.scratch.path("hf/chat_template.jinja"));
  EXPECT_THAT(jinja, HasSubstr("<|im_start|>"));
  EXPECT_EQ(Json::parse(read_file(model.scratch.path("hf/tokenizer_config.json")))["chat_template"], jinja);
  const Outcome chat = model.kiln({"chat", "hf", "--greedy"}, "say c\n");
  EXPECT_EQ(chat.out, "cc\n") << chat.err;
  ASSERT_EQ(model.kiln({"export", "runs/sft", "--to", "gguf", "--output", "m.gguf"}).code, 0);
  const std::string gguf = read_file(model.scratch.path("m.gguf"));
  const std::size_t key = gguf.find("tokenizer.chat_template");
  ASSERT_NE(key, std::string::npos);
  EXPECT_NE(gguf.find(jinja, key), std::string::npos);
}

TEST(ConversationCommands, PlanCountsTheConversations) {
  const Outcome outcome =
      chat_model().kiln({"plan", "sft.json", "--set", "train.epochs=2", "--set", "train.steps=null", "--json"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const Json plan = Json::parse(outcome.out);
  EXPECT_NEAR(plan["steps"].get<double>(), 2 * 144 * 28 / 256.0, 4);
}

}  // namespace
}  // namespace kiln
