// kiln new: from a text to a config that trains, and the reasons for it.
#include "kiln/core/file.h"
#include "kiln/run/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "support/process.h"
#include "support/scratch.h"
#include <string>

namespace kiln {
namespace {

using ::testing::HasSubstr;
using testing::Outcome;
using testing::Scratch;

/// A folder with a text, in which the command is run.
struct NewRun {
  Scratch scratch;

  NewRun() {
    std::string text;
    for (int i = 0; i < 800; ++i) text += "the river said " + std::to_string(i * 7919 % 1000) + " and went on\n";
    scratch.write("a river.txt", text);
  }

  Outcome run(const std::string& arguments) const {
    return testing::run({"sh", "-c", "cd " + scratch.path().string() + " && " + KILN_BINARY + " " + arguments});
  }
};

TEST(NewCommand, WritesAConfigThatTrainsAndItsReasons) {
  const NewRun folder;
  const Outcome made = folder.run("new --data 'a river.txt' --for 10s");
  ASSERT_EQ(made.code, 0) << made.err;
  EXPECT_THAT(made.out, HasSubstr("kiln train a-river.json"));
  const Config config = read_config(folder.scratch.path("a-river.json"));
  EXPECT_EQ(config.name, "a-river");
  EXPECT_EQ(config.train.time_budget->seconds, 10);
  const std::string reasons = read_file(folder.scratch.path("a-river.json.why.md"));
  EXPECT_THAT(reasons, HasSubstr("**best**"));
  EXPECT_THAT(reasons, HasSubstr("`train.batch_size` " + std::to_string(config.train.batch_size.count)));
  const Outcome trained = folder.run("train a-river.json --set train.steps=1 --set train.eval_every=0");
  EXPECT_EQ(trained.code, 0) << trained.err;
}

TEST(NewCommand, APatternIsCalledAfterItsFolder) {
  const NewRun folder;
  std::filesystem::create_directory(folder.scratch.path("notes"));
  std::filesystem::rename(folder.scratch.path("a river.txt"), folder.scratch.path("notes/a river.txt"));
  const Outcome made = folder.run("new --data 'notes/*.txt' --for 10s");
  ASSERT_EQ(made.code, 0) << made.err;
  EXPECT_EQ(read_config(folder.scratch.path("notes.json")).name, "notes");
}

TEST(NewCommand, TellsTheCandidatesAsJson) {
  const NewRun folder;
  const Outcome outcome = folder.run("new --data 'a river.txt' --for 10s --output other.json --json");
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const nlohmann::json result = nlohmann::json::parse(outcome.out);
  EXPECT_EQ(result["config"]["train"]["time_budget"], "10s");
  ASSERT_LT(result["chosen"].get<std::size_t>(), result["candidates"].size());
  const nlohmann::json& chosen = result["candidates"][result["chosen"].get<std::size_t>()];
  EXPECT_EQ(read_config(folder.scratch.path("other.json")).tokenizer.vocab_size, chosen["vocab_size"]);
  EXPECT_EQ(read_config(folder.scratch.path("other.json")).model.n_ctx, chosen["n_ctx"]);
  EXPECT_EQ(result["busy"].get<bool>(), result["waited_share"].get<double>() >= 0.1);
  EXPECT_EQ(result["config"], nlohmann::json::parse(read_file(folder.scratch.path("other.json"))));
}

/// A project's folder: its sources, a run that was made there, and the reasons of an earlier config.
TEST(NewCommand, TellsWhatItTookOfAFolderAndWhatItLeft) {
  const NewRun folder;
  const std::string text = read_file(folder.scratch.path("a river.txt"));
  for (const char* name : {"p/a.py", "p/deep/b.PY", "p/c.py", "p/readme.md", "p/notes.txt", "p/x.json.why.md"}) {
    folder.scratch.write(name, std::string(name) + text);
  }
  folder.scratch.write("p/runs/x/lock", "1\n");
  folder.scratch.write("p/runs/x/d.py", text);
  folder.scratch.write("p/stories.jsonl", nlohmann::json{{"story", text}}.dump() + "\n");

  const Outcome other = folder.run("new --data p --for 10s");
  EXPECT_EQ(other.code, 3);
  EXPECT_THAT(other.err, HasSubstr("p/stories.jsonl:1: no field \"text\" that is a string; it has \"story\", which "
                                   "data.text_field (--text-field) can name"));

  const Outcome usual = folder.run("new --data p --text-field story --for 10s --output usual.json");
  EXPECT_EQ(usual.code, 0) << usual.err;
  EXPECT_THAT(usual.err, HasSubstr("--data: 2 files, "));
  EXPECT_THAT(usual.err, HasSubstr("; left out: 4 others, mostly .py"));

  const Outcome made = folder.run("new --data p --include '*.py' --include '*.md' --text-field story --for 10s --json");
  ASSERT_EQ(made.code, 0) << made.err;
  EXPECT_THAT(made.err, HasSubstr("--data: 4 files, "));
  EXPECT_EQ(nlohmann::json::parse(made.out)["files"],
            nlohmann::json::parse(R"({"taken": 4, "left": {".txt": 1, ".jsonl": 1}})"));
  EXPECT_THAT(read_file(folder.scratch.path("p.json.why.md")), HasSubstr("- `data`: 4 files, "));
  const Config config = read_config(folder.scratch.path("p.json"));
  EXPECT_THAT(config.data.include, ::testing::ElementsAre("*.py", "*.md"));
  EXPECT_EQ(config.data.text_field, "story");
  const Outcome trained = folder.run("train p.json --set train.steps=1 --set train.eval_every=0");
  EXPECT_EQ(trained.code, 0) << trained.err;
  EXPECT_THAT(trained.err, HasSubstr("data.train: 4 files, "));

  const Outcome none = folder.run("new --data p --include '*.rs' --for 10s --output none.json");
  EXPECT_EQ(none.code, 2);
  EXPECT_THAT(none.err, HasSubstr("--data: no file matches \"p\""));
  EXPECT_THAT(none.err, HasSubstr("of a folder, *.rs files count, which leaves out 6 others, such as .py; --include "
                                  "names others"));
}

TEST(NewCommand, ReplacesNothingUnlessToldTo) {
  const NewRun folder;
  folder.scratch.write("a-river.json", "mine");
  const Outcome outcome = folder.run("new --data 'a river.txt' --for 10s");
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("a-river.json: exists already; --output names another file, --overwrite"));
  EXPECT_EQ(read_file(folder.scratch.path("a-river.json")), "mine");
}

TEST(NewCommand, NamesWhatItCannotRead) {
  const NewRun folder;
  const Outcome time = folder.run("new --data 'a river.txt' --for soon");
  EXPECT_EQ(time.code, 2);
  EXPECT_THAT(time.err, HasSubstr("--for soon: a duration such as"));
  const Outcome text = folder.run("new --data sea.txt");
  EXPECT_EQ(text.code, 2);
  EXPECT_THAT(text.err, HasSubstr("sea.txt"));
  const Outcome nothing = folder.run("new");
  EXPECT_EQ(nothing.code, 2);
  EXPECT_THAT(nothing.err, HasSubstr("there is no folder data, which kiln new reads by default; name a text: "
                                     "kiln new --data FILES"));
}

}  // namespace
}  // namespace kiln
